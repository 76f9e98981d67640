"""What a candidate of the miner costs on the first rung, and whether that rung ranks as the last one does.

    python benchmarks/mining_speed.py [--device cpu] [--correlation [--every N]]

Prints Markdown tables. On a CPU two worker processes of one thread serve two cores, as in a search, and all that is
compared runs in them: the ensemble with tables, a plain loop that trains one torch MLP after another on the same
problems, seeds and steps (a part of it is timed and scaled up), and the ensemble's matrix products alone. Other work on
the machine stretches the clock's time, so ratios are of processor seconds. On a GPU there is one process, and
everything is by the clock. `--correlation` scores the tabulable built-ins on all rungs, which takes the better part of
an hour; `--every 3` takes a third of them.
"""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from tabulate import tabulate as render
from torch import nn

import activations
from activations import Graph
from activations.to_torch import to_torch
from mining.ensemble import Lookup, Trainer
from mining.fitness import FINAL, FIRST, LADDER, SEARCHED, LabFitness, Rung, deal_problems, rung_correlation
from mining.random_search import draw
from mining.table import table_error, tabulable, tabulate
from tasks.lab.data import LabData, open_data
from tasks.lab.network import HIDDEN_LAYERS
from tasks.lab.training import batches

NAMED = ("relu", "gelu", "gelu-sinc-perturbation", "gmtu")
DRAWN = 10
"""Random compositions beside them."""
WORKERS = 2
PLAIN_NETWORKS, PLAIN_STEPS = 2, 100
"""The part of the plain loop that is timed."""

Row = tuple[str, ...]


class Cost(NamedTuple):
    """What a piece of work took."""

    wall: float
    cpu: float
    lost: bool = False
    """Whether a training was not finite, and so ended early."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--correlation", action="store_true", help="measure the rungs' rank correlation instead")
    parser.add_argument("--every", type=int, default=1, help="one built-in in this many, for --correlation")
    arguments = parser.parse_args()
    workers = WORKERS if arguments.device == "cpu" else 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
        if arguments.correlation:
            print(render(list(correlations(pool, arguments.device, arguments.every)), CORRELATION, tablefmt="github"))
        else:
            speed(pool, workers, arguments.device)


class Speeds(NamedTuple):
    """Seconds for each candidate, in the order of the functions."""

    wall: float
    """Of all candidates together, by the clock."""
    ours: list[float]
    theirs: list[float]
    """Of the plain loop."""
    bound: float
    """Of the matrix products alone."""
    lost: int
    """Functions whose training was not finite and so ended early."""


def speed(pool: ProcessPoolExecutor, workers: int, device: str) -> None:
    """Print the table of speeds, and beneath it one row for each function."""
    functions = candidates()
    graphs = list(functions.values())
    speeds = measure(pool, graphs, workers, device)
    rows = [*compare(speeds, workers, device), *pool.submit(shares, device).result(), *errors(graphs)]
    print(f"{torch.cuda.get_device_name() if device != 'cpu' else 'CPU'}, torch {torch.__version__}\n")
    print(render(rows, headers=["measured", "figure", "goal"], tablefmt="github"), end="\n\n")
    each = zip(functions, speeds.ours, speeds.theirs, strict=True)
    lines = [(name, f"{ours:.2f}", f"{plain:.1f}", f"{plain / ours:.1f}") for name, ours, plain in each]
    print(render(lines, headers=["function", "tabulated, s", "plain loop, s", "ratio"], tablefmt="github"))


def measure(pool: ProcessPoolExecutor, graphs: Sequence[Graph], workers: int, device: str) -> Speeds:
    """Run all that is compared, one kind of work after the other, on every worker at once."""
    list(pool.map(score_all, [graphs[:1]] * workers, [device] * workers))  # ReLU's own losses and the weights
    parts = [[graph] for graph in graphs] if device == "cpu" else [list(graphs)]
    begun = time.perf_counter()
    ours = [cost for part in pool.map(score_all, parts, [device] * len(parts)) for cost in part]
    wall = time.perf_counter() - begun
    theirs = pool.map(plain_loop, graphs, [device] * len(graphs))
    bounds = pool.map(matmul_bound, [device] * workers)
    own, plain, bound = ([chosen(cost, device) for cost in costs] for costs in (ours, theirs, bounds))
    return Speeds(wall, own, plain, statistics.mean(bound), sum(cost.lost for cost in ours))


def compare(speeds: Speeds, workers: int, device: str) -> list[Row]:
    """The ensemble beside the plain loop and the bound."""
    ratios = [plain / own for own, plain in zip(speeds.ours, speeds.theirs, strict=True)]
    own, plain = statistics.mean(speeds.ours), statistics.mean(speeds.theirs)
    count = len(speeds.ours)
    rung = f"{FIRST.problems} problems × {len(FIRST.seeds)} seeds × {FIRST.recipe.steps} steps"
    return [
        (f"candidates a minute by the clock, {count} functions, {rung}", f"{60 * count / speeds.wall:.0f}", "60"),
        (f"the same by time a candidate, {workers} workers", f"{60 * workers / own:.0f}", "60"),
        ("functions among them that are lost in training and end early", f"{speeds.lost}", ""),
        ("plain loop, candidates a minute", f"{60 * workers / plain:.1f}", ""),
        ("times the plain loop, all functions together", f"{plain / own:.1f}", "10" if device == "cpu" else "100"),
        ("times the plain loop, least to most", f"{min(ratios):.1f} to {max(ratios):.1f}", ""),
        ("matrix products alone, seconds a candidate", f"{speeds.bound:.2f}", ""),
        ("a candidate / matrix products alone", f"{own / speeds.bound:.2f}", ""),
        ("plain loop / matrix products alone: no ensemble gains more", f"{plain / speeds.bound:.1f}", ""),
    ]


def candidates() -> dict[str, Graph]:
    """The mix that is timed: named functions, and compositions that are finite on the whole table."""
    found = {name: activations.get(name).graph for name in NAMED}
    stream = np.random.default_rng(0)
    while len(found) < len(NAMED) + DRAWN:
        graph = draw(stream).proposal("random").graph
        if graph is not None and tabulable(graph) and table_error(graph, tabulate(graph)).missing == 0:
            found[f"composition {len(found) - len(NAMED) + 1}, {len(graph.nodes)} operations"] = graph
    return found


_labs: dict[str, LabFitness] = {}


def score_all(graphs: Sequence[Graph], device: str) -> list[Cost]:
    """Seconds of each graph on the first rung, table included."""
    lab = _labs.setdefault(device, LabFitness(device=device))
    scores = lab.score_many(graphs, FIRST)
    return [Cost(score.seconds, score.cpu_seconds, math.isinf(score.fitness)) for score in scores]


def first_data(device: str) -> LabData:
    """Everything that the first rung trains on."""
    problems = [problem for group in deal_problems(SEARCHED, FIRST.problems).values() for problem in group]
    return open_data(problems, FIRST.seeds, FIRST.recipe.train_points, FIRST.recipe.test_points, device)


def plain_loop(graph: Graph, device: str) -> Cost:
    """One torch MLP after another, exactly, on the first networks of the rung; scaled to all of it."""
    data = first_data(device)
    rows = batches(FIRST.recipe, device)

    def train(network: int, steps: int) -> None:
        variables = len(data.networks[network][1].variables)
        inputs, targets = data.train.inputs[network, :, :variables].contiguous(), data.train.targets[network]
        model = plain_network(graph, variables, device)
        optimizer = torch.optim.Adam(model.parameters(), lr=FIRST.recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FIRST.recipe.steps)
        for batch in rows[:steps]:
            loss = (model(inputs[batch]).squeeze(1) - targets[batch]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    train(0, 10)
    networks = iter(range(PLAIN_NETWORKS))
    cost = timed(lambda: train(next(networks), PLAIN_STEPS), device, PLAIN_NETWORKS)
    scale = len(data.networks) * FIRST.recipe.steps / (PLAIN_NETWORKS * PLAIN_STEPS)
    return Cost(cost.wall * scale, cost.cpu * scale)


def plain_network(graph: Graph, variables: int, device: str) -> nn.Sequential:
    """The lab's architecture as anybody would write it."""
    sizes = [variables, *[FIRST.recipe.width] * HIDDEN_LAYERS]
    hidden = [layer for sizes in pairwise(sizes) for layer in (nn.Linear(*sizes), to_torch(graph, "plain"))]
    return nn.Sequential(*hidden, nn.Linear(FIRST.recipe.width, 1)).to(device)


def matmul_bound(device: str) -> Cost:
    """The ensemble's matrix products of one candidate on the first rung, forward and backward, and nothing else."""
    batch, width, seeds = FIRST.recipe.batch, FIRST.recipe.width, len(FIRST.seeds)
    groups, networks = (seeds, FIRST.problems) if device == "cpu" else (1, seeds * FIRST.problems)
    fan_in = first_data(device).train.inputs.shape[2]
    x, h = (torch.randn(networks, batch, size, device=device) for size in (fan_in, width))
    first, square = (torch.randn(networks, size, width, device=device) for size in (fan_in, width))
    bias = torch.randn(networks, 1, width, device=device)
    out, by_first, by_square = torch.empty_like(h), torch.empty_like(first), torch.empty_like(square)

    def step() -> None:
        torch.baddbmm(bias, x, first, out=out)
        torch.bmm(x.transpose(1, 2), h, out=by_first)
        for _ in range(HIDDEN_LAYERS - 1):
            torch.baddbmm(bias, h, square, out=out)
            torch.bmm(h.transpose(1, 2), out, out=by_square)
            torch.bmm(h, square.transpose(1, 2), out=out)

    step()
    return timed(step, device, groups * FIRST.recipe.steps)


class Identity:
    """A nonlinearity that does nothing, for what is left of a step without the table."""

    def forward(self, layer: int, z: torch.Tensor, out: torch.Tensor) -> None:
        """Hand on."""
        out.copy_(z)

    def backward(self, layer: int, gradient: torch.Tensor) -> None:
        """Hand on."""


def shares(device: str) -> list[Row]:
    """Shares of a step: the table, the matrix products, Adam, and what is left."""
    trainer = Trainer(first_data(device), FIRST.recipe)
    lookup = Lookup([tabulate(activations.get("gelu").graph, device)], trainer.shape)
    flat = nn.Parameter(torch.cat([p.flatten() for p in trainer.parameters()]))
    flat.grad = torch.zeros_like(flat)
    adam = torch.optim.Adam([flat], lr=0.0, fused=True)
    trainer.fit(lookup)
    whole = chosen(timed(lambda: trainer.fit(lookup), device), device)
    bare = chosen(timed(lambda: trainer.fit(Identity()), device), device)
    moved = chosen(timed(adam.step, device, FIRST.recipe.steps), device)
    products = chosen(matmul_bound(device), device)
    parts = {"the table": whole - bare, "matrix products": products, "Adam": moved}
    parts["everything else"] = whole - sum(parts.values())
    return [(f"share of a step: {name}", f"{part / whole:.0%}", "") for name, part in parts.items()]


def errors(graphs: Sequence[Graph]) -> Iterator[Row]:
    """The tables' largest errors over all timed functions."""
    measured = [table_error(graph, tabulate(graph)) for graph in graphs]
    for name, values in (("value", [e.value for e in measured]), ("derivative", [e.derivative for e in measured])):
        figure = f"{statistics.median(values):.1e} ({max(values):.1e})"
        yield f"error of a table's {name} / max(1, |{name}|), median (largest)", figure, ""


CORRELATION = ("rung", "CPU seconds a candidate", "Kendall's tau with the final rung", "functions")


def correlations(pool: ProcessPoolExecutor, device: str, every: int) -> Iterator[Row]:
    """How each rung ranks the tabulable built-ins, beside the final rung."""
    built_in = (activations.get(name).graph for name in activations.names())
    graphs = [graph for graph in built_in if tabulable(graph)][::every]
    rungs = (*LADDER, FINAL)
    scores = list(pool.map(score_rungs, graphs, [rungs] * len(graphs), [device] * len(graphs)))
    for place, rung in enumerate(rungs):
        tau, n = rung_correlation([(row[place][0], row[-1][0]) for row in scores])
        seconds = statistics.mean(row[place][1] for row in scores)
        yield rung.name, f"{seconds:.1f}", f"{tau:.2f}", f"{n}"


def score_rungs(graph: Graph, rungs: Sequence[Rung], device: str) -> list[tuple[float, float]]:
    """Fitness and processor seconds of one function on each rung."""
    lab = _labs.setdefault(device, LabFitness(device=device))
    scores = [lab.score(graph, rung) for rung in rungs]
    return [(score.fitness, score.cpu_seconds) for score in scores]


def timed(work: Callable[[], object], device: str, times: int = 1) -> Cost:
    """Wall and processor seconds of some work done so many times, the GPU's included in the former."""

    def settle() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    gc.collect()  # a collection of all that the imports left behind would count many times over
    settle()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    settle()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def chosen(cost: Cost, device: str) -> float:
    """The figure that comparisons use."""
    return cost.cpu if device == "cpu" else cost.wall


if __name__ == "__main__":
    main()
