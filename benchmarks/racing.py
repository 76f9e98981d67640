"""Measures what racing (`bench run --race`, `bench/race.py`) saves, and how often it is wrong.

    python benchmarks/racing.py [--draws 100000] [--only replay,orders,...] [--level 0.01]

Prints Markdown: the records under `results/` replayed, in the order of their seeds and in every other one; then rows
simulated with a known true effect. Also how well the times of recorded cells foretell those of later ones, which
`bench run --time-limit` leans on. Nothing is trained. Fixed seeds: the same records give the same numbers.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from measuring import head
from numpy.typing import NDArray
from replayed import SEED, Table, orders, percent, replay, times
from simulated import DIFFERENCES, Array, Draw, failing
from tabulate import tabulate

from bench.inference import half_width
from bench.race import ALPHA, FIRST_LOOK, bar, first_stop, level

PLANNED = (5, 10, 20)
"""Seeds a function."""
EFFECTS = (0.5, 0.0, -0.5, -1.0, -2.0, -4.0, -8.0)
"""True mean differences to ReLU, in standard deviations of a difference."""
CHECKED = 500
"""Draws of each table on which the arrays here must say what `bench.race` says."""
NOISES: Mapping[str, Draw] = {
    **DIFFERENCES,
    "one run in five of ReLU fails, no other": lambda rng, shape: -failing(rng, shape),
}
"""Shapes of the scatter of a difference, with mean 0 and deviation 1."""

Counts = NDArray[np.int64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--level", type=float, default=ALPHA)
    arguments = parser.parse_args()
    asked = f"python benchmarks/racing.py --draws {arguments.draws}"
    says = f"Sequential test at {arguments.level:g} a function and task. Nothing is timed: replay and simulation."
    print(head("Racing: what it saves, and how often it is wrong", asked, "cpu", says))
    for name in arguments.only.split(","):
        title, columns, rows = TABLES[name](arguments.draws, arguments.level)
        text = tabulate(rows, headers=columns, tablefmt="github", disable_numparse=True)
        print(f"### {title}\n\n{text}\n", flush=True)


def stops(differences: Array, levels: Callable[[int], float]) -> Counts:
    """After how many differences each row of them is stopped, by a test at these levels; all where it is not."""
    rows, planned = differences.shape
    numbers = np.arange(1, planned + 1)
    means = differences.cumsum(axis=1) / numbers
    squares = np.maximum((differences**2).cumsum(axis=1) - numbers * means**2, 0)
    found = np.full(rows, planned)
    for n in range(planned - 1, FIRST_LOOK - 1, -1):
        fires = means[:, n - 1] < -_bar(n, levels(n)) * np.sqrt(squares[:, n - 1] / (n - 1) / n)
        found[fires] = n
    return found


def _bar(n: int, share: float) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(n - 1, share))


def drawn(noise: str, planned: int, effect: float, draws: int, alpha: float) -> tuple[Array, Counts]:
    """Simulated differences, and after how many each row is stopped; checked against `bench.race` on the first."""
    differences = effect + NOISES[noise](np.random.default_rng(SEED), (draws, planned))
    found = stops(differences, lambda n: level(n, alpha))
    for row, after in zip(differences[:CHECKED].tolist(), found[:CHECKED].tolist(), strict=True):
        said = first_stop([(value, 0.0) for value in row[:-1]], 0.0, alpha) or planned
        assert said == after, (row, said, after)
    return differences, found


def stopped(draws: int, alpha: float) -> Table:
    """Share of rows that are stopped."""
    rows: list[list[object]] = []
    for noise in NOISES:
        for planned in PLANNED:
            shares = [float(np.mean(drawn(noise, planned, effect, draws, alpha)[1] < planned)) for effect in EFFECTS]
            errors = [math.sqrt(share * (1 - share) / draws) for share in shares]
            texts = (f"{percent(a, 2)} ± {percent(b, 2)}" for a, b in zip(shares, errors, strict=True))
            rows.append([noise, planned, *texts])
    title = f"Rows stopped, % ({draws:,} draws; promised for a true effect of 0: at most {percent(alpha)})"
    return title, ["scatter of the difference", "seeds planned", *map(effect_name, EFFECTS)], rows


def saving(draws: int, alpha: float) -> Table:
    """Share of the training that is saved, over all rows, by the test and by one with equal levels at planned looks."""
    rows: list[list[object]] = []
    for noise in ("normal", "residuals of results/cpu"):
        for planned in PLANNED:
            for name, levels in spendings(planned, alpha).items():
                shares = []
                for effect in EFFECTS[1:]:
                    found = stops(drawn(noise, planned, effect, draws, alpha)[0], levels)
                    shares.append(percent(1 - float(np.mean(found)) / planned))
                rows.append([noise, planned, name, *shares])
    columns = ["scatter of the difference", "seeds planned", "level at each look"]
    title = "Training saved, % of all seeds of a function, those not stopped included"
    return title, [*columns, *map(effect_name, EFFECTS[1:])], rows


def spendings(planned: int, alpha: float) -> Mapping[str, Callable[[int], float]]:
    """Ways to share the error among the looks."""
    looks = planned - FIRST_LOOK
    return {"alpha / ((n − 2)(n − 1)), ours": lambda n: level(n, alpha), "alpha / looks": lambda n: alpha / looks}


def bias(draws: int, alpha: float) -> Table:
    """What is left of the numbers of a stopped row."""
    rows: list[list[object]] = []
    for noise in ("normal", "residuals of results/cpu"):
        for planned in PLANNED:
            for effect in EFFECTS[1:]:
                differences, after = drawn(noise, planned, effect, draws, alpha)
                out = after < planned
                if out.sum() < 100:
                    continue
                rows.append([noise, planned, f"{effect:g}", f"{out.sum():,}", *_of_stopped(differences, after, effect)])
    columns = ["scatter of the difference", "seeds planned", "true effect, sd", "rows stopped", "seeds, mean"]
    columns += ["its mean difference less the true one, sd", "its 95 % interval holds the true one, %"]
    columns += ["worse with all seeds, %"]
    return "Stopped rows: bias of the mean difference, coverage, and what all seeds would have said", columns, rows


def _of_stopped(differences: Array, after: Counts, effect: float) -> list[object]:
    planned = differences.shape[1]
    final, reach = _intervals(differences[after < planned])
    worse = final + reach < 0
    errors, held = [], []
    for n in range(FIRST_LOOK, planned):
        means, reach = _intervals(differences[after == n, :n])
        errors.append(means - effect)
        held.append(np.abs(means - effect) <= reach)
    off = np.concatenate(errors)
    return [
        f"{after[after < planned].mean():.1f}",
        f"{off.mean():+.2f} ± {off.std() / math.sqrt(len(off)):.2f}",
        percent(np.concatenate(held).mean()),
        percent(worse.mean()),
    ]


def _intervals(values: Array) -> tuple[Array, Array]:
    """Mean and half of its 95 % interval, row by row."""
    n = values.shape[1]
    return values.mean(axis=1), reach_of(n) * values.std(axis=1, ddof=1) / math.sqrt(n)


@cache
def reach_of(n: int) -> float:
    """Half of the 95 % interval in standard errors."""
    return half_width(1.0, n - 1)


def bars(draws: int, alpha: float) -> Table:
    """The test itself."""
    numbers = (3, 4, 5, 6, 8, 10, 15, 20)
    rows: list[list[object]] = [
        ["level, %", *(f"{100 * level(n, alpha):.2g}" for n in numbers)],
        ["standard errors", *(f"{bar(n, alpha):.1f}" for n in numbers)],
        ["standard deviations", *(f"{bar(n, alpha) / math.sqrt(n):.1f}" for n in numbers)],
    ]
    return "How far below the region of equivalence a mean must lie", ["after seeds", *map(str, numbers)], rows


def effect_name(effect: float) -> str:
    """Head of a column."""
    return f"effect {effect:g} sd"


TABLES: Mapping[str, Callable[[int, float], Table]] = {
    "bars": bars,
    "replay": replay,
    "orders": orders,
    "stopped": stopped,
    "saving": saving,
    "bias": bias,
    "times": times,
}


if __name__ == "__main__":
    main()
