"""Measures that the statistics of the leaderboard are right, on simulated boards whose effects are known.

    python benchmarks/evidence.py [--draws 2000] [--only coverage,errors,...]

Prints Markdown tables: coverage of the intervals beside the bootstrap's, false verdicts on whole boards, power at the
printed resolution, false equivalence, the mean log-ratio, ranks, and Kendall's tau. Everything but tau goes the real
way: `Record` objects, `make_boards`, `judge`, `rank_board`. Seeds are fixed, so the same records under `results/cpu`,
whose tasks and residuals are used, give the same numbers. A whole board is dearer than a row: there are fewer of them,
and every table says how many.
"""

from __future__ import annotations

import argparse
import gc
import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from simulated import DIFFERENCES, RUNS, Array, Draw, copies, failing, heights, make_board, nine_tasks, normal
from tabulate import tabulate

from bench.inference import kendall, resolution
from bench.judge import MARGINS, judge
from bench.overall import rank_board
from bench.records import TaskFacts

SEED = 20_260_101
SEEDS = (3, 5, 10, 20)
"""Seeds an activation."""
JUDGED = SEEDS[1:]
"""Of these, the ones that get verdicts."""
STRONG = 3.0
"""A true effect, in resolutions."""
EFFECTS = (2.0, -1.0, 0.5)
"""True effects on the tasks of a mean, in standard deviations of a run."""
BOTH = math.sqrt(2)
"""Standard deviation of a difference of two runs, in those of one."""

Table = tuple[str, Sequence[str], list[list[object]]]
"""Title, head and rows."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--only", default=",".join(TABLES))
    arguments = parser.parse_args()
    gc.disable()  # records hold no cycles, and looking for them takes a third of the time
    for name in arguments.only.split(","):
        title, head, rows = TABLES[name](arguments.draws)
        print(f"### {title}\n\n{tabulate(rows, headers=head, tablefmt='github', disable_numparse=True)}\n", flush=True)


def coverage(draws: int) -> Table:
    """Intervals of one paired difference: Student's, as printed, and the bootstrap's on the same draws."""
    rows: list[list[object]] = []
    for name, shape in DIFFERENCES.items():
        found = []
        for n in SEEDS:
            differences = shape(np.random.default_rng(SEED), (draws, n))
            found.append((student(differences), *bootstraps(differences)))
        methods = ("Student's t (ours)", "bootstrap, percentile", "bootstrap, BCa")
        for method, shares in zip(methods, zip(*found, strict=True), strict=True):
            rows.append([name, method, *map(percent, shares)])
    head = ["scatter of the difference", "interval", *(f"n = {n}" for n in SEEDS)]
    return f"Coverage of the 95 % interval of a paired difference ({draws:,} draws; goal 93 to 97 %)", head, rows


def student(differences: Array) -> float:
    """Share of tasks whose printed interval holds the true difference."""
    truth = 1.0
    relu = 70 + 3 * np.random.default_rng(SEED + 1).normal(size=differences.shape)
    board = make_board(copies("vision", len(differences)), np.stack([relu, relu + truth + differences], axis=1))
    found = [task.by_label["f01"].difference for task in judge(board)]
    return float(np.mean([estimate is not None and estimate.low <= truth <= estimate.high for estimate in found]))


def bootstraps(differences: Array) -> list[float]:
    """The same for the library's bootstrap, percentile and BCa, of 999 resamples; no interval is a miss."""
    from scipy.stats import bootstrap

    shares, resamples, earlier = [], 999, None
    for method in ("percentile", "BCa"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BCa warns where three seeds leave it nothing to correct by
            earlier = bootstrap(
                (differences,),
                np.mean,
                axis=1,
                n_resamples=resamples,
                batch=100,
                method=method,
                bootstrap_result=earlier,
                rng=np.random.default_rng(SEED),
            )
        interval, resamples = earlier.confidence_interval, 0
        shares.append(float(np.mean((interval.low <= 0) & (interval.high >= 0))))
    return shares


def errors(draws: int) -> Table:
    """Boards on which any function is called better or worse without being so."""
    head = ["board", "scatter of a run", *(f"n = {n}" for n in JUDGED)]
    rows: list[list[object]] = []
    for functions, effect, boards, name in (
        (5, 0.0, draws // 2, "5 functions × 9 tasks, all like ReLU"),
        (5, STRONG, draws // 4, "5 × 9, a third of the tests with a true effect"),
        (20, 0.0, draws // 8, "20 × 9, all like ReLU"),
    ):
        for shape in RUNS:
            shares = [verdicts(RUNS[shape], functions, n, every_third(functions, effect, n), boards)[0] for n in JUDGED]
            rows.append([f"{name} ({boards:,} boards)", shape, *map(percent, shares)])
    shares = [verdicts(failing, 5, n, np.zeros((9, 5)), draws // 2, steady=True)[0] for n in JUDGED]
    name = f"5 × 9, like ReLU in the mean alone ({draws // 2:,} boards)"
    rows.append([name, "one run in five fails, ReLU's never", *map(percent, shares)])
    return "Boards with any false `better` or `worse` (goal: at most 5 %)", head, rows


def every_third(functions: int, effect: float, n: int) -> Array:
    """True effects on every third test, in standard deviations of a difference."""
    size = 9 * functions
    return np.where(np.arange(size) % 3 == 0, effect * resolution(n, size), 0.0).reshape(9, functions)


def verdicts(
    shape: Draw, functions: int, n: int, effects: Array, boards: int, steady: bool = False
) -> tuple[float, float]:
    """Share of boards with a false `better` or `worse`, and share of the true effects that are called better.

    Args:
        steady: the scatter of ReLU's runs is normal, whatever that of the others.
    """
    tasks = nine_tasks()[: len(effects)]
    height, scatter = heights(tasks)
    way = np.array([1 if task.metric.higher_is_better else -1 for task in tasks])[:, None]
    truth = np.concatenate([np.zeros((len(tasks), 1)), BOTH * way * effects], axis=1)[:, :, None]
    rng, wrong, found = np.random.default_rng(SEED), 0, 0
    for _ in range(boards):
        shared = normal(rng, (len(tasks), 1, n))
        noise = shape(rng, (len(tasks), functions + 1, n))
        if steady:
            noise[:, :1] = normal(rng, shared.shape)
        scores = height + scatter * (shared + noise + truth)
        judged = judge(make_board(tasks, scores))
        said = np.array([[task.by_label[f"f{f:02}"].verdict for f in range(1, functions + 1)] for task in judged])
        wrong += bool(np.any((said == "worse") | ((said == "better") & (effects == 0))))
        found += int(np.sum((said == "better") & (effects > 0)))
    return wrong / boards, found / max(1, boards * int(np.sum(effects > 0)))


def power(draws: int) -> Table:
    """How often one effect as large as the resolution is found, all else on the board being like ReLU."""
    head = ["tests on the board", "scatter of a run", *(f"n = {n}" for n in JUDGED)]
    rows: list[list[object]] = []
    for size, functions, boards in ((1, 1, draws), (9, 5, draws // 4)):
        tests = size * functions
        for name, shape in RUNS.items():
            shares = []
            for n in JUDGED:
                effects = np.zeros((size, functions))
                effects[0, 0] = resolution(n, tests)
                shares.append(verdicts(shape, functions, n, effects, boards)[1])
            rows.append([f"{tests} ({boards:,} boards)", name, *map(percent, shares)])
    return "An effect as large as the resolution is found (goal: about 80 %)", head, rows


def equivalence(draws: int) -> Table:
    """How often a function just outside of the margin is called no different, and how often one that is like ReLU."""
    numbers = (5, 10, 20, 40)
    head = ["true difference", "scatter of the difference", "its deviation / margin", *(f"n = {n}" for n in numbers)]
    rows: list[list[object]] = []
    for name, distance in (("1.01 margins worse", -1.01), ("none", 0.0)):
        for shape in ("normal", "heavy tails (t, 3 df)", "one run in five fails, ReLU's never"):
            for ratio in (0.5, 1.0):
                shares = [no_different(DIFFERENCES[shape], distance, ratio, n, draws) for n in numbers]
                rows.append([name, shape, f"{ratio:g}", *map(percent, shares)])
    return f"Rows called `no different` ({draws:,} draws; goal outside of the margin: at most 5 %)", head, rows


def no_different(shape: Draw, distance: float, ratio: float, n: int, draws: int) -> float:
    """Share of rows called so; true difference and deviation in margins."""
    differences = distance + ratio * shape(np.random.default_rng(SEED), (draws, n))
    relu = 70 + np.random.default_rng(SEED + 1).normal(size=(draws, n))
    scores = np.stack([relu, relu + MARGINS["vision"] * differences], axis=1)
    said = [task.by_label["f01"].verdict for task in judge(make_board(copies("vision", draws), scores))]
    return said.count("no different") / draws


def log_ratio(draws: int) -> Table:
    """Coverage of the interval of the mean log-ratio to ReLU."""
    boards = draws // 2
    scales: Mapping[str, tuple[list[TaskFacts], float]] = {
        "percent, chance 10 (3 tasks)": (copies("vision", 3), 0),
        "ROC-AUC, chance 0.5 (3 tasks)": (copies("molecules", 3), 0),
        "log10 of a loss (3 tasks)": (copies("lab", 3), 0),
        "real networks (6 tasks of 3 families)": ([t for t in nine_tasks() if t.family != "lab"], 0),
        "percent, ReLU 3 deviations above chance (3 tasks)": (copies("vision", 3), -57),
    }
    rows: list[list[object]] = []
    for name, (tasks, lower) in scales.items():
        for shape in RUNS:
            found = [
                covered(tasks, lower, RUNS[shape], n, lost, boards) for n, lost in ((3, 0), (5, 2), (5, 0), (10, 0))
            ]
            rows.append([name, shape, *(percent(share) for share, _ in found), percent(min(r for _, r in found))])
    head = ["scale", "scatter of a run", "n = 3", "n = 5, two lost", "n = 5", "n = 10", "boards that rank it, least"]
    return f"Coverage of the 95 % interval of the mean log-ratio to ReLU ({boards:,} boards)", head, rows


def covered(tasks: list[TaskFacts], lower: float, shape: Draw, n: int, lost: int, boards: int) -> tuple[float, float]:
    """Share of the intervals that hold the true mean log-ratio, and share of boards on which there is one."""
    height, scatter = heights(tasks)
    height = height + lower
    effects = np.resize(EFFECTS, len(tasks))[:, None, None] * scatter
    truth = true_ratio(tasks, height, height + effects)
    rng = np.random.default_rng(SEED)
    held = []
    for _ in range(boards):
        scores = height + scatter * (normal(rng, (len(tasks), 1, n)) + shape(rng, (len(tasks), 2, n)))
        scores[:, 1:] += effects
        scores[:, 1, :lost] = math.nan
        estimate = next(row.ranked_by for row in rank_board(make_board(tasks, scores)) if row.label == "f01")
        if estimate is not None:
            held.append(estimate.low <= truth <= estimate.high)
    return float(np.mean(held)), len(held) / boards


def true_ratio(tasks: Sequence[TaskFacts], relu: Array, other: Array) -> float:
    """The mean log-ratio of true means, over tasks of a family and then over families."""
    families: dict[str, list[float]] = {}
    for task, a, b in zip(tasks, relu.flat, other.flat, strict=True):
        chance = task.metric.chance or 0.0
        logarithm = task.metric.unit.startswith("log10")
        ratio = (a - b) * math.log(10) if logarithm else math.log((b - chance) / (a - chance))
        families.setdefault(task.family, []).append(ratio)
    return float(np.mean([np.mean(ratios) for ratios in families.values()]))


def ranks(draws: int) -> Table:
    """Boards of functions that are all alike, on which anybody is ranked below another."""
    rows: list[list[object]] = []
    for functions, boards in ((5, draws // 2), (20, draws // 8)):
        for name, shape in RUNS.items():
            found = [misranked(shape, functions, n, boards) for n in SEEDS[:3]]
            rows.append([f"{functions} ({boards:,} boards)", name, *map(percent, found)])
    head = ["functions like ReLU", "scatter of a run", *(f"n = {n}" for n in SEEDS[:3])]
    return "Boards of like functions on which not all share rank 1 (goal: at most 5 %)", head, rows


def misranked(shape: Draw, functions: int, n: int, boards: int) -> float:
    """Share of boards with a rank other than 1."""
    tasks = nine_tasks()
    height, scatter = heights(tasks)
    rng, found = np.random.default_rng(SEED), 0
    for _ in range(boards):
        noise = normal(rng, (len(tasks), 1, n)) + shape(rng, (len(tasks), functions + 1, n))
        found += any(row.rank != 1 for row in rank_board(make_board(tasks, height + scatter * noise)))
    return found / boards


def tau(draws: int) -> Table:
    """Coverage of the interval of Kendall's tau, over functions whose gains on two tasks are bivariate normal."""
    numbers = (6, 10, 20)
    rows: list[list[object]] = []
    for truth in (0.0, 0.3, 0.6, 0.8):
        rho = math.sin(math.pi * truth / 2)
        shares = []
        for n in numbers:
            first, other = np.random.default_rng(SEED).normal(size=(2, draws, n))
            second = rho * first + math.sqrt(1 - rho**2) * other
            found = [kendall(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
            shares.append(float(np.mean([one.low <= truth <= one.high for one in found])))
        rows.append([f"{truth:g}", *map(percent, shares)])
    head = ["true tau", *(f"{n} functions" for n in numbers)]
    return f"Coverage of the 95 % interval of Kendall's tau ({draws:,} draws; goal 93 to 97 %)", head, rows


def percent(share: float) -> str:
    """`95.1`."""
    return f"{100 * share:.1f}"


TABLES: Mapping[str, Callable[[int], Table]] = {
    "coverage": coverage,
    "errors": errors,
    "power": power,
    "equivalence": equivalence,
    "log_ratio": log_ratio,
    "ranks": ranks,
    "tau": tau,
}


if __name__ == "__main__":
    main()
