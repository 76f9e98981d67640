"""Kills a search with SIGKILL at random moments, again and again, and holds what it ends with against an untouched one.

    python benchmarks/kills.py [--kills 50] [--workers 2]

The search is the real one, worker processes, SQLite file and genetic proposer included; only its rungs are tiny, so
that many generations lie between two kills. Prints a Markdown table; exits 1 when the two populations differ.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tabulate import tabulate

from mining.population import Population
from mining.settings import Budget, Rungs, Settings

LONGEST = 6.0
"""Seconds that a search lives at most; starting takes about half of it."""


def main() -> None:
    """Kill, resume, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--evaluations", type=int, default=10**9, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        search(options.child, options.evaluations, options.workers)
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(compare(Path(folder), options.kills, options.workers))


def search(path: Path, evaluations: int, workers: int) -> None:
    """Begin a search, or go on with it."""
    from mining.fitness import LabFitness, Rung
    from mining.genetic import Genetic
    from mining.jail import Refused
    from mining.judge import Judge
    from mining.screen import Limits
    from mining.search import Search
    from mining.workers import Workers
    from tasks.lab import LabRecipe

    def trace(source: str) -> None:
        raise Refused(f"no source was expected: {source}")

    tiny = LabRecipe(every=1, steps=8, train_points=128, test_points=128)
    rungs = Rungs(*(Rung(name, 2, (seed,), tiny, exact=False) for seed, name in enumerate(("one", "two", "three"))))
    settings = Settings(
        0, (("genetic", 1.0),), ("relu", "gelu"), ("polynomials", "feynman"), 200, True, generation_size=12
    )
    with Population(path) as population, Workers(partial(LabFitness, settings.families), workers) as pool:
        judge = Judge(Limits(), trace)  # type: ignore[arg-type]
        Search(population, settings, {"genetic": Genetic()}, pool, judge, rungs).run(Budget(evaluations))


def compare(folder: Path, kills: int, workers: int) -> int:
    """Run both searches and print what they say of each other; 1 where they differ."""
    killed, whole = folder / "killed.sqlite", folder / "whole.sqlite"
    stream = random.Random(0)
    open_generations = 0
    for _ in range(kills):
        child = start(killed, 10**9, workers)
        time.sleep(stream.uniform(0.5, LONGEST))
        child.send_signal(signal.SIGKILL)
        child.wait()
        with Population(killed) as population:
            open_generations += bool(population.slots(population.next))
    with Population(killed) as population:
        target = len({e.hash for e in population.evaluations() if e.rung == "one"})
    assert target > 2, "every kill came before the first evaluation: let the searches live longer (LONGEST)"
    for path in (killed, whole):
        done = start(path, target, workers).wait()
        assert done == 0, f"the search on {path.name} ended with status {done}"
    same, rows = contents(killed) == contents(whole), describe(whole)
    table = [("kills", kills), ("kills within a generation", open_generations), *rows, ("populations are equal", same)]
    print(tabulate(table, headers=["measured", "figure"], tablefmt="github"))
    return 0 if same else 1


def start(path: Path, evaluations: int, workers: int) -> subprocess.Popen[bytes]:
    """A search in a process of its own."""
    own = ["--child", str(path), "--evaluations", str(evaluations), "--workers", str(workers)]
    return subprocess.Popen([sys.executable, __file__, *own], stderr=subprocess.DEVNULL)  # which tells of the kills


def contents(path: Path) -> tuple[object, ...]:
    """All that a population says, but for times and the order in which evaluations came in."""
    with Population(path) as population:
        said = sorted((e.hash, e.rung, e.fitness, tuple(e.problems.items())) for e in population.evaluations())
        return population.slots(), said, population.states(), population.next


def describe(path: Path) -> list[tuple[str, object]]:
    """How large the population is."""
    with Population(path) as population:
        return [("generations", population.next), ("evaluations", len(population.evaluations()))]


if __name__ == "__main__":
    main()
