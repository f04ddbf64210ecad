"""The process of one case on Ray's side: ``python case.py CASE SECONDS``.

The cases have the names and do the work of those in ``benches/ours``; both follow the loops of ``ray microbenchmark``
and the cases of Ray's single-node scalability benchmark. Each prints one line with its samples, which
``harness/child.mjs`` reads.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import ray

IN_FLIGHT = 1_000
SUBMITTERS = 4
LARGE_LENGTH = 100_000_000
LARGE_GIGABYTES = 0.8
CALLS_PER_CALLER = 5_000
SMALL_OBJECT = {"id": 7, "name": "a small object", "tags": ["one", "two"], "isNew": True}
MANY_ACTORS = max(1, os.cpu_count() // 2)


@ray.remote
def small_value():
    return b"ok"


@ray.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"

    def small_value_argument(self, argument):
        return b"ok"

    def small_value_batch(self, count):
        ray.get([small_value.remote() for _ in range(count)])


@ray.remote
class AsyncActor:
    async def small_value(self):
        return b"ok"

    async def small_value_argument(self, argument):
        return b"ok"


@ray.remote(num_cpus=0)
class Client:
    """An actor that calls other actors."""

    def __init__(self, servers):
        self.servers = servers

    def small_value_batch(self, count):
        ray.get([server.small_value.remote() for server in self.servers for _ in range(count)])

    def small_value_argument_batch(self, count):
        argument = ray.put(0)
        ray.get(
            [server.small_value_argument.remote(argument) for server in self.servers for _ in range(count)]
        )


@ray.remote
def call_actors(actors, count):
    ray.get([actors[index % len(actors)].small_value.remote() for index in range(count)])


@ray.remote
def put_small_values(count):
    for _ in range(count):
        ray.put(0)


@ray.remote
def put_large_arrays(count):
    for _ in range(count):
        ray.put(np.zeros(10 * 1024 * 1024, dtype=np.int64))


@ray.remote
def create_refs(count):
    return [ray.put(1) for _ in range(count)]


@ray.remote
def count_arguments(*values):
    return len(values)


@ray.remote
def byte_length(array):
    return array.nbytes


@ray.remote
def return_nothing():
    pass


@ray.remote
def hold_cpu_until(gate, started_file):
    """Holds its CPU until the file ``gate`` exists; a task that waits in ``ray.get`` would give it back."""
    open(started_file, "w").close()
    while not os.path.exists(gate):
        time.sleep(0.002)


def rate(seconds, work, multiplier=1, warm=True):
    """Calls per second of ``work`` times ``multiplier``, as Ray's own ``timeit`` takes them, in one window."""
    count = 0
    start = time.perf_counter()
    while warm and time.perf_counter() - start < min(1, seconds):
        work()
        count += 1
    step = count // 10 + 1
    count = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(step):
            work()
        count += step
    return [multiplier * count / (time.perf_counter() - start)]


def duration_ms(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1_000


def put_800mb(_seconds):
    source = np.full(LARGE_LENGTH, 1.5)
    samples = []
    for _ in range(4):
        start = time.perf_counter()
        ref = ray.put(source)
        samples.append(LARGE_GIGABYTES / (time.perf_counter() - start))
        del ref
    # Ray's store is warm when an object of that size has been freed before.
    return {"put-800mb-cold": samples[:1], "put-800mb-warm": samples[1:]}


def get_800mb(_seconds):
    ref = ray.put(np.full(LARGE_LENGTH, 1.5))

    def get_twenty():
        for _ in range(20):
            assert ray.get(ref)[-1] == 1.5

    return {"get-800mb": [duration_ms(get_twenty) * 1_000 / 20 for _ in range(5)]}


def wait_1k_refs(seconds):
    def wait_one_by_one():
        not_ready = [small_value.remote() for _ in range(1_000)]
        fetch_local = True
        while not_ready:
            # Fetching is asked for once: the raylet remembers it.
            _, not_ready = ray.wait(not_ready, fetch_local=fetch_local)
            fetch_local = False

    return {"wait-1k-refs": rate(seconds, wait_one_by_one)}


def get_object_of_10k_refs(seconds):
    ref = create_refs.remote(10_000)
    return {"get-object-of-10k-refs": rate(seconds, lambda: ray.get(ref))}


def task_four_submitters(seconds):
    # Fewer tasks in a batch than on our side: with 10,000 a single batch would take half a minute.
    tasks = 2_000
    actors = [Actor.remote() for _ in range(SUBMITTERS)]
    ray.get([actor.small_value_batch.remote(100) for actor in actors])

    def submit():
        ray.get([actor.small_value_batch.remote(tasks) for actor in actors])

    return {"task-four-submitters": rate(seconds, submit, SUBMITTERS * tasks, warm=False)}


def call_sync(row, actor_class):
    def run(seconds):
        actor = actor_class.remote()
        return {row: rate(seconds, lambda: ray.get(actor.small_value.remote()))}

    return run


def call_async(row, make_actor):
    def run(seconds):
        actor = make_actor()
        return {
            row: rate(
                seconds,
                lambda: ray.get([actor.small_value.remote() for _ in range(IN_FLIGHT)]),
                IN_FLIGHT,
            )
        }

    return run


def one_to_many(row, actor_class):
    def run(seconds):
        actors = [actor_class.remote() for _ in range(MANY_ACTORS)]
        client = Client.remote(actors)
        return {
            row: rate(
                seconds,
                lambda: ray.get(client.small_value_batch.remote(CALLS_PER_CALLER)),
                CALLS_PER_CALLER * len(actors),
            )
        }

    return run


def many_to_many(row, actor_class):
    def run(seconds):
        actors = [actor_class.remote() for _ in range(MANY_ACTORS)]
        return {
            row: rate(
                seconds,
                lambda: ray.get([call_actors.remote(actors, CALLS_PER_CALLER) for _ in range(4)]),
                4 * CALLS_PER_CALLER,
            )
        }

    return run


def actor_many_to_many_argument(seconds):
    clients = [Client.remote([Actor.remote()]) for _ in range(MANY_ACTORS)]
    return {
        "actor-many-to-many-argument": rate(
            seconds,
            lambda: ray.get([client.small_value_argument_batch.remote(1_000) for client in clients]),
            1_000 * len(clients),
        )
    }


def async_actor_argument(seconds):
    actor = AsyncActor.remote()
    return {
        "async-actor-argument": rate(
            seconds,
            lambda: ray.get([actor.small_value_argument.remote(index) for index in range(IN_FLIGHT)]),
            IN_FLIGHT,
        )
    }


def task_10k_arguments(_seconds):
    refs = [ray.put(index) for index in range(10_000)]

    def call():
        assert ray.get(count_arguments.remote(*refs)) == 10_000

    ray.get(return_nothing.remote())
    first = duration_ms(call)
    return {
        "task-10k-arguments-cold": [first],
        "task-10k-arguments": [duration_ms(call) for _ in range(3)],
    }


def task_3k_results(_seconds):
    @ray.remote(num_returns=3_000)
    def list_of_numbers():
        return list(range(3_000))

    def call():
        assert ray.get(list_of_numbers.remote())[-1] == 2_999

    return {"task-3k-results": [duration_ms(call) for _ in range(5)]}


def get_10k_refs(_seconds):
    refs = [ray.put(index) for index in range(10_000)]
    return {"get-10k-refs": [duration_ms(lambda: ray.get(refs)) for _ in range(5)]}


def queued_50k(_seconds):
    count = 50_000
    directory = tempfile.mkdtemp(prefix="eagleray-bench-")
    try:
        gate = os.path.join(directory, "gate")
        started = [os.path.join(directory, str(index)) for index in range(2)]
        blockers = [hold_cpu_until.remote(gate, file) for file in started]
        while not all(os.path.exists(file) for file in started):
            time.sleep(0.005)
        start = time.perf_counter()
        refs = [return_nothing.remote() for _ in range(count)]
        submit_ms = (time.perf_counter() - start) * 1_000

        def run():
            open(gate, "w").close()
            ray.get(refs)

        run_ms = duration_ms(run)
        ray.get(blockers)
    finally:
        shutil.rmtree(directory)
    return {
        "queued-50k-submit": [submit_ms],
        "queued-50k-run": [run_ms],
        "queued-50k": [submit_ms + run_ms],
    }


def memory(_seconds):
    ray.get([small_value.remote() for _ in range(1_000)])
    time.sleep(1)
    # The same program measures both sides; Ray's processes are all descendants of this one.
    node, program = os.environ["BENCH_NODE"], os.environ["BENCH_PROCESS_TREE"]
    figures = json.loads(subprocess.check_output([node, program, str(os.getpid())]))
    return {"memory": [figures["bytes"] / 1e6]}


def installed_size(_seconds):
    """The package alone, without the packages it depends on: what the wheel unpacks to."""
    package = os.path.dirname(ray.__file__)
    size = sum(
        os.path.getsize(os.path.join(directory, file))
        for directory, _, files in os.walk(package)
        for file in files
        # Compiled on the first import.
        if not file.endswith(".pyc")
    )
    return {"installed-size": [size / 1e6]}


def pass_100mb(seconds):
    array = np.full(12_500_000, 1.5)

    def call():
        assert ray.get(byte_length.remote(array)) == 100_000_000

    return {"pass-100mb": rate(seconds, call, 0.1)}


def get_small(row):
    def run(seconds):
        ref = ray.put(0)
        return {row: rate(seconds, lambda: ray.get(ref))}

    return run


def put_gigabytes(seconds):
    array = np.zeros(100 * 1024 * 1024, dtype=np.int64)
    return {"put-gigabytes": rate(seconds, lambda: ray.put(array), 0.8)}


CASES = {
    "task-sync": lambda seconds: {
        "task-sync": rate(seconds, lambda: ray.get(small_value.remote()))
    },
    "task-async": lambda seconds: {
        "task-async": rate(
            seconds, lambda: ray.get([small_value.remote() for _ in range(IN_FLIGHT)]), IN_FLIGHT
        )
    },
    "task-batches": lambda seconds: {
        "task-batches": rate(seconds, lambda: ray.get([small_value.remote() for _ in range(IN_FLIGHT)]))
    },
    "task-four-submitters": task_four_submitters,
    "pass-100mb": pass_100mb,
    "actor-sync": call_sync("actor-sync", Actor),
    "actor-async": call_async("actor-async", Actor.remote),
    "actor-concurrent": call_async(
        "actor-concurrent", lambda: Actor.options(max_concurrency=16).remote()
    ),
    "actor-one-to-many": one_to_many("actor-one-to-many", Actor),
    "actor-many-to-many": many_to_many("actor-many-to-many", Actor),
    "actor-many-to-many-argument": actor_many_to_many_argument,
    "async-actor-sync": call_sync("async-actor-sync", AsyncActor),
    "async-actor-async": call_async("async-actor-async", AsyncActor.remote),
    "async-actor-argument": async_actor_argument,
    "async-actor-one-to-many": one_to_many("async-actor-one-to-many", AsyncActor),
    "async-actor-many-to-many": many_to_many("async-actor-many-to-many", AsyncActor),
    "put-small": lambda seconds: {"put-small": rate(seconds, lambda: ray.put(0))},
    "put-small-object": lambda seconds: {
        "put-small-object": rate(seconds, lambda: ray.put(SMALL_OBJECT))
    },
    "put-small-text": lambda seconds: {
        "put-small-text": rate(seconds, lambda: ray.put("x" * 2_000))
    },
    "put-small-tasks": lambda seconds: {
        "put-small-tasks": rate(
            seconds, lambda: ray.get([put_small_values.remote(100) for _ in range(10)]), 1_000
        )
    },
    "put-gigabytes-two-workers": lambda seconds: {
        "put-gigabytes-two-workers": rate(
            seconds, lambda: ray.get([put_large_arrays.remote(10) for _ in range(10)]), 10 * 0.8
        )
    },
    "put-gigabytes": put_gigabytes,
    "get-small": get_small("get-small"),
    "get-small-blocking": get_small("get-small-blocking"),
    "wait-1k-refs": wait_1k_refs,
    "get-object-of-10k-refs": get_object_of_10k_refs,
    "put-800mb": put_800mb,
    "get-800mb": get_800mb,
    "memory": memory,
    "task-10k-arguments": task_10k_arguments,
    "task-3k-results": task_3k_results,
    "get-10k-refs": get_10k_refs,
    "queued-50k": queued_50k,
    "installed-size": installed_size,
}


def start_ray():
    ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR")


def main():
    name, seconds = sys.argv[1], float(sys.argv[2])
    if name == "init":

        def first_result():
            start_ray()
            ray.get(small_value.remote())

        rows = {"init": [duration_ms(first_result)]}
    else:
        start_ray()
        rows = CASES[name](seconds)
    ray.shutdown()
    print("#result " + json.dumps({"rows": rows}), flush=True)


if __name__ == "__main__":
    main()
