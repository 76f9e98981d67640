"""Steps a second of a CLRS training beside the package's own examples/run.py, and where the time of a cell goes.

    python benchmarks/clrs_speed.py [loops|profile|shapes] [--device cpu] [--algorithm bellman_ford] [--steps 200]

Prints a Markdown table. `loops`: both loops train ReLU with the same recipe and seed, each in a process of its own that
knows no compiled program; theirs is their file, unchanged but for a test set that is sampled instead of downloaded.
Rounds are interleaved. `profile`: the parts of a cell. `shapes`: how many shapes, and so programs, trainings meet.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import head
from tabulate import tabulate

from tasks import clrs_data
from tasks.clrs30 import Recipe, cpu_environment, recipes

if TYPE_CHECKING:
    from clrs_meter import Pace

SHAPES_OF = ("bfs", "bellman_ford", "minimum", "dfs", "quicksort")
SHAPES_TOGETHER = 4

Row = tuple[str, ...]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("part", nargs="?", choices=("loops", "profile", "shapes"), default="loops")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--algorithm", default="bellman_ford")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2, help="of the loops")
    arguments = parser.parse_args()
    os.environ.update(cpu_environment(1) | {"OMP_NUM_THREADS": "1"} if arguments.device == "cpu" else {})
    os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = f"python benchmarks/clrs_speed.py {arguments.part}"
    for name in ("device", "algorithm", "steps", "rounds"):
        if getattr(arguments, name) != parser.get_default(name):
            command += f" --{name} {getattr(arguments, name)}"
    recipe = shortened(arguments.algorithm, arguments.device, arguments.steps)
    conditions, table = {
        "loops": (f"Seed 0 of {arguments.algorithm}, {arguments.rounds} rounds, interleaved; {recipe}.", loops),
        "profile": (f"Seed 0 of {arguments.algorithm}, once; {recipe}.", profile),
        "shapes": (f"Recipe `paper`, {arguments.steps} steps, ReLU or any other: shapes come from the data.", shapes),
    }[arguments.part]
    print(head(f"Training of CLRS: {arguments.part}", command, arguments.device, conditions))
    print(table(arguments, recipe))


def shortened(algorithm: str, device: str, steps: int) -> Recipe:
    """The `cpu` recipe on a CPU and the `small` one on a GPU, for fewer steps and with a test set sampled here."""
    recipe = recipes(algorithm)["cpu" if device == "cpu" else "small"]
    val_samples = 64  # what the package's loop takes, but for a few algorithms
    return replace(recipe, steps=steps, eval_every=steps // 2, frozen_test=False, val_samples=val_samples)


def loops(arguments: argparse.Namespace, recipe: Recipe) -> str:
    """The table of both loops and of sampling ahead, alone and two processes at once."""
    arms: dict[str, tuple[Callable[..., Pace], bool, int]] = {
        "the package's run.py": (theirs, False, 1),
        "ours, sampled in line": (ours, False, 1),
        "ours, sampled ahead": (ours, True, 1),
        "two at once, sampled in line": (ours, False, 2),
        "two at once, sampled ahead": (ours, True, 2),
    }
    if arguments.device != "cpu":
        arms = dict(itertools.islice(arms.items(), 3))
    seen: dict[str, list[Pace]] = {name: [] for name in arms}
    for _, (name, (run, ahead, count)) in itertools.product(range(arguments.rounds), arms.items()):
        seen[name] += at_once(count, run, arguments.algorithm, recipe, arguments.device, ahead)
    base = seen["the package's run.py"]
    rows = [
        (
            name,
            middle([pace.warm for pace in paces], ".1f"),
            f"{statistics.median(p.warm for p in paces) / statistics.median(p.warm for p in base):.2f}",
            middle([pace.warm_cpu for pace in paces], ".1f"),
            middle([pace.whole for pace in paces], ".2f"),
            f"{statistics.median(p.whole for p in paces) / statistics.median(p.whole for p in base):.2f}",
            f"{paces[0].compiled}",
            f"{paces[0].first_loss:.6f}",
        )
        for name, paces in seen.items()
    ]
    headers = ["loop", "steps a second", "times run.py", "steps a processor second", "steps a second, compiling and"]
    headers[-1] += " validation included"
    headers += ["times run.py", "steps that compiled", "first loss"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def at_once(count: int, run: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call a function in `count` fresh processes side by side."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        return [each.result() for each in [pool.submit(run, *arguments) for _ in range(count)]]


def ours(algorithm: str, recipe: Recipe, device: str, ahead: bool) -> Pace:
    """The pace of our loop."""
    clrs_data.import_clrs()
    from clrs_meter import Meter

    meter = Meter()
    run_cell(algorithm, 0, recipe, device, ahead)
    return meter.pace()


def run_cell(algorithm: str, seed: int, recipe: Recipe, device: str, ahead: bool) -> None:
    """Train and test one cell, drawing its stream in the way that is asked for."""
    import activations
    import tasks
    from tasks import clrs_stream

    clrs_stream.ahead_on = lambda device: ahead
    tasks.get(f"clrs30-{algorithm}").run(activations.get("relu"), seed, recipe, tasks.Context(device=device))


def theirs(algorithm: str, recipe: Recipe, device: str, ahead: bool) -> Pace:
    """The pace of the package's loop."""
    import tensorflow

    tensorflow.config.set_visible_devices([], "GPU")  # it would take all of its memory
    from clrs_meter import Meter

    meter = Meter()
    package = Path(str(clrs_data.import_clrs().__file__)).parent
    found = importlib.util.spec_from_file_location("run", package / "examples" / "run.py")
    assert found is not None
    assert found.loader is not None
    example: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    create = example.create_samplers
    example.create_samplers = lambda **given: create(**given | {"test_lengths": [recipe.test_length]})
    with tempfile.TemporaryDirectory() as checkpoints:
        example.FLAGS(["run.py", *flags(algorithm, recipe), f"--checkpoint_path={checkpoints}"])
        example.main([])
    return meter.pace()


def flags(algorithm: str, recipe: Recipe) -> Iterator[str]:
    """The recipe in the words of the package's loop; what is not among them is its default."""
    yield f"--algorithms={algorithm}"
    yield f"--train_lengths={','.join(map(str, recipe.train_lengths))}"
    yield f"--train_steps={recipe.steps}"
    yield f"--eval_every={recipe.eval_every}"
    yield f"--batch_size={recipe.batch_size}"
    yield f"--hidden_size={recipe.hidden}"
    yield "--seed=0"


def profile(arguments: argparse.Namespace, recipe: Recipe) -> str:
    """The table of where a cell's time goes: the first of a process, and a further one of the same shapes, in two ways.

    A call returns when its step is under way, or done on one CPU thread; the wait is for its loss.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        ahead = arguments.device != "cpu"
        (cells,) = at_once(1, shares, arguments.algorithm, recipe, arguments.device, ahead)
    parts = [part for part in cells[0] if part != "whole cell"]
    rows = [[part, *(f"{cell.get(part, 0):.2f}" for cell in cells)] for part in parts]
    rest = [cell["whole cell"] - sum(cell.get(part, 0) for part in parts) for cell in cells]
    rows += [["anything else", *(f"{each:.2f}" for each in rest)]]
    rows += [["whole cell", *(f"{cell['whole cell']:.2f}" for cell in cells)]]
    headers = ["seconds of a cell", "first of a process", "again, program built anew (before)"]
    headers += ["again, program kept (after)"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def shares(algorithm: str, recipe: Recipe, device: str, ahead: bool) -> list[dict[str, float]]:
    """Run a cell three times in this process, the second as if the first had left only programs on disk."""
    clrs_data.import_clrs()
    from clrs_meter import Shares

    from tasks import clrs_model, clrs_stream, clrs_train

    parts, cells = Shares(), []
    parts.around(clrs_model, "audit", "audit of the sites")
    parts.around(clrs_model.GuardedModel, "init", "initial weights")
    parts.around(clrs_model.GuardedModel, "feedback", "training step: call, tracing and compiling")
    parts.around(clrs_train._Trial, "_record", "training step: wait")
    parts.around(clrs_model.GuardedModel, "predict", "validation and test: call, tracing and compiling")
    parts.around(clrs_train._Trial, "_evaluate", "validation and test: wait and scores")
    if ahead:
        parts.around(clrs_stream.Ahead, "__next__", "sampling")
    else:
        clrs_stream.draw = parts.stream(clrs_stream.draw)
    for turn in range(3):
        if turn == 1:
            clrs_train._latest.clear()
        begun = time.perf_counter()
        run_cell(algorithm, 0, recipe, device, ahead)
        cells.append(parts.take() | {"whole cell": time.perf_counter() - begun})
    return cells


def shapes(arguments: argparse.Namespace, recipe: Recipe) -> str:
    """How many shapes the training batches of each algorithm have under the `paper` recipe, which are its programs."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    rows = [count_shapes(algorithm, arguments.steps) for algorithm in SHAPES_OF]
    headers = ["algorithm", "lengths", "shapes of one seed", "with room that grows in fours"]
    headers += [f"of {SHAPES_TOGETHER} seeds together"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def count_shapes(algorithm: str, steps: int) -> Row:
    """Count over the training batches of several seeds; the first is the one counted alone."""
    clrs_data.import_clrs()
    import numpy as np

    from tasks.clrs_shapes import Room, hint_steps

    recipe = recipes(algorithm)["paper"]
    streams = []
    for seed in range(SHAPES_TOGETHER):
        rng = np.random.RandomState(seed)
        samples = clrs_data.training_samples(algorithm, recipe.train_lengths, recipe.batch_size, rng)
        streams.append(samples.batches)
    alone, grown, together = set(), set(), set()
    one, all_rooms = Room(), Room()
    for step in range(steps):
        length = recipe.train_lengths[step % len(recipe.train_lengths)]
        batches = [next(stream) for stream in streams]
        alone.add((length, hint_steps(batches[0])))
        grown.add((length, hint_steps(one.fit("train", batches[:1])[0])))
        together.add((length, hint_steps(all_rooms.fit("train", batches)[0])))
    return algorithm, *(f"{len(found)}" for found in (recipe.train_lengths, alone, grown, together))


def middle(values: Sequence[float], form: str) -> str:
    """Median, with the least and the most."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
