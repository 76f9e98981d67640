"""What rendering many records costs: the board, its figures and the site, in time and in memory.

    python benchmarks/rendering.py [--records 1000,10000,100000] [--parts] [--only board,figures,site]

Writes records of ordinary size, copies of the ReLU records of `results/cpu` with their curves, for 10 seeds of as many
activations as it takes on 20 tasks: 50 activations make 10,000 records, 500 make 100,000. Prints a Markdown table of
wall time, processor time and peak memory of each command, each in a process of its own, and the limits for 10,000
records. `--parts` times the steps from records to numbers inside of one process instead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from simulated import HEIGHT, ROOT, SCATTER, real_board
from tabulate import tabulate

import activations
from bench.compare import BASELINE, make_boards
from bench.cost import costs
from bench.judge import judge
from bench.overall import rank_board
from bench.records import Record, cell_id
from bench.store import Store
from bench.transfer import transfer

TASKS, SEEDS = 20, 10
LIMITS = {"board": "5 s, 1 GiB", "site": "30 s, 1 GiB"}
"""For 10,000 records."""
LIMITED = 10_000
RUNNER = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


class Usage(NamedTuple):
    """What a command took."""

    seconds: float
    """By the clock."""
    cpu: float
    """Seconds of processor time, those of its own children included."""
    peak: float
    """Highest resident memory of the process, MiB."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", default="1000,10000,100000")
    parser.add_argument("--only", default="board,figures,site")
    parser.add_argument("--parts", action="store_true")
    arguments = parser.parse_args()
    rows: list[Sequence[object]] = []
    for count in map(int, arguments.records.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            size = write_records(Path(folder) / "results", count)
            held = f"{count:,} of {size / 1024:.0f} KiB"
            measured = parts if arguments.parts else commands
            rows += [(held, *row) for row in measured(Path(folder), count, arguments.only.split(","))]
    head = ["records", "step", "processor, s"]
    if not arguments.parts:
        head = ["records", "command", "by the clock, s", "processor, s", "peak memory, MiB", "limit"]
    print(tabulate(rows, headers=head, tablefmt="github", disable_numparse=True))


def commands(folder: Path, count: int, wanted: Sequence[str]) -> Iterator[Sequence[object]]:
    """Each command over the same records, the file cache warm."""
    base = [sys.executable, "-m", "bench.cli", "leaderboard", "--results", str(folder / "results")]
    options: dict[str, list[str]] = {
        "board": [],
        "figures": ["--figures", str(folder / "figures")],
        "site": ["--html", str(folder / "site")],
    }
    for name in wanted:
        usage = measure([*base, *options[name]])
        shown = " ".join(["bench leaderboard", *(f"{option} DIR" for option in options[name][:1])])
        limit = LIMITS.get(name, "") if count == LIMITED else ""
        yield f"`{shown}`", f"{usage.seconds:.1f}", f"{usage.cpu:.1f}", f"{usage.peak:.0f}", limit


def measure(command: Sequence[str]) -> Usage:
    """Run a command to its end, started by a small process: a child inherits the peak memory of who started it."""
    ran = subprocess.run([sys.executable, "-c", RUNNER, *command], cwd=ROOT, check=True, capture_output=True, text=True)
    return Usage(*json.loads(ran.stdout))


def parts(folder: Path, count: int, wanted: Sequence[str]) -> Iterator[Sequence[object]]:
    """Processor time of each step from files to numbers; what is `wanted` of commands plays no part."""
    watch = Stopwatch()
    records = Store(folder / "results").load(curves=False).records
    yield "Store.load, without curves", watch.lap()
    (board,) = make_boards(records)
    yield "make_boards", watch.lap()
    judge(board)
    yield "judge", watch.lap()
    overall = rank_board(board)
    yield "rank_board", watch.lap()
    costs(board, overall)
    yield "costs", watch.lap()
    transfer(board)
    yield "transfer", watch.lap()


class Stopwatch:
    """Processor time between laps."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def lap(self) -> str:
        """Seconds since the last lap."""
        last, self._last = self._last, time.process_time()
        return f"{self._last - last:.2f}"


def write_records(root: Path, count: int) -> int:
    """Write `count` sound records of one board; returns their mean size in bytes."""
    rng = np.random.default_rng(0)
    found = Store(ROOT / "results").load().records
    real = {(record.task.name, record.activation.name, record.seed): record for record in found}
    templates = [real[table.task.name, BASELINE, 0] for table in real_board().tables]
    functions = [_function(place, templates[0]) for place in range(-(-count // (TASKS * SEEDS)))]
    merits = rng.normal(size=len(functions))
    size, written = 0, 0
    for place, function in enumerate(functions):
        for number in range(TASKS):
            template = templates[number % len(templates)]
            task = json.loads(template.task.model_dump_json())
            task["name"] += f"-{number:02}"
            better = 1 if template.task.metric.higher_is_better else -1
            for seed in range(SEEDS):
                family = template.task.family
                noise = merits[place] * better * (place > 0) + rng.normal()
                score = round(HEIGHT[family] + SCATTER[family] * noise, 4)
                if written < count:
                    fields = {"seed": seed, "score": score, "task": task, "activation": function}
                    size += _write(root, template, fields)
                    written += 1
    return size // count


def _function(place: int, template: Record) -> dict[str, Any]:
    """Facts of the activation in this place: ReLU first, then the catalogue over and over, under other names."""
    own: dict[str, Any] = json.loads(template.activation.model_dump_json())
    if place == 0:
        return own
    names = [name for name in activations.names() if name != BASELINE]
    known = activations.get(names[place % len(names)])
    return own | {
        "name": f"{known.name}-{place:03}",
        "formula": known.formula,
        "source": known.source,
        "graph": json.loads(known.graph.to_json()),
        "graph_hash": f"{place:016x}",
        "pointwise": known.graph.pointwise,
        "flops": known.graph.flops,
    }


def _write(root: Path, template: Record, fields: dict[str, Any]) -> int:
    task, function, seed = fields["task"], fields["activation"], fields["seed"]
    identity = cell_id(task["name"], task["version"], function["graph_hash"], seed, template.recipe)
    replaced = {name: json.dumps(value) for name, value in (fields | {"id": identity}).items()}
    lines = [f'"{name}": {replaced.get(name, text)}' for name, text in _texts(template).items()]
    folder = root / template.profile / task["name"]
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{function['name']}-s{seed}-{identity}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


_TEXTS: dict[str, dict[str, str]] = {}


def _texts(template: Record) -> dict[str, str]:
    """The text of every field of a record, made once."""
    if template.id not in _TEXTS:
        fields = json.loads(template.model_dump_json())
        _TEXTS[template.id] = {name: json.dumps(value) for name, value in fields.items()}
    return _TEXTS[template.id]


if __name__ == "__main__":
    main()
