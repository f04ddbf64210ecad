"""On how many of the 24 functions of bbob one search algorithm is better than another.

    pip install coco-experiment
    cargo build --release -p eagleray-search --example ask_and_tell
    python bbob.py gp tpe

For each function the median, over 15 instances in 5 dimensions, of what is left to the optimum after 50 trials. Arguments after the two
algorithms: trials, dimensions, instances. Hansen, Finck, Ros and Auger, "Real-parameter black-box optimization benchmarking 2009:
noiseless functions definitions", 2009.
"""

import contextlib
import pathlib
import statistics
import subprocess
import sys
import tempfile

import cocoex

PROGRAM = pathlib.Path(__file__).parents[3] / "target" / "release" / "examples" / "ask_and_tell"


def best(algorithm, problem, trials, seed):
    command = [str(PROGRAM), algorithm, str(problem.dimension), "-5", "5", str(seed)]
    least = float("inf")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as search:
        for _ in range(trials):
            values = [float(word) for word in search.stdout.readline().split()]
            found = float(problem(values))
            least = min(least, found)
            search.stdin.write(f"{found!r}\n")
            search.stdin.flush()
        search.stdin.close()
        search.stdout.read()
    return least


def optimum(problem):
    """The least value. The library only writes where it lies, into the current folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        [file] = pathlib.Path(folder).iterdir()
        return problem([float(word) for word in file.read_text().split()])


def main():
    first, second, *numbers = sys.argv[1:]
    trials, dimensions, instances = [int(number) for number in numbers] + [50, 5, 15][len(numbers) :]
    suite = cocoex.Suite("bbob", "", f"dimensions: {dimensions} instance_indices: 1-{instances}")
    left = {}
    for problem in suite:
        least = optimum(problem)
        for algorithm in (first, second):
            seed = problem.id_function * 100 + problem.id_instance
            found = best(algorithm, problem, trials, seed) - least
            left.setdefault((problem.id_function, algorithm), []).append(found)
    wins = 0
    for function in sorted({function for function, _ in left}):
        own, other = (statistics.median(left[function, algorithm]) for algorithm in (first, second))
        wins += own < other
        print(f"f{function:<3} {first} {own:<12.4g} {second} {other:<12.4g} {'better' if own < other else ''}")
    print(f"{first} is better than {second} on {wins} of 24")


main()
