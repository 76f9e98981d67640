"""Fitness: what is counted, on which problems, by which path; and the report's sealed shift."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import activations
from activations import Graph, from_source
from mining import fitness, fitness_report
from mining.fitness import (
    FINAL,
    FIRST,
    HELD_OUT,
    LADDER,
    SEARCHED,
    LabFitness,
    Rung,
    Score,
    deal_problems,
    kept_problems,
    rung_correlation,
)
from mining.fitness_report import report_losses
from tasks.lab import FAMILIES, LabRecipe, problems
from tasks.lab.data import open_sealed_shift
from tasks.lab.report import FLOOR
from tasks.lab.training import Trained, evaluate, losses, train

RECIPE = LabRecipe(every=1, steps=12, batch=32, train_points=64, test_points=64, width=12, learning_rate=1e-2)
RUNG = Rung("tiny", 3, (0, 1), RECIPE, exact=False)
EXACT = replace(RUNG, name="tiny and exact", exact=True)
LOST = "exp(exp(exp(x * x)))"


def graph_of(text: str) -> Graph:
    return from_source(text).graph


def worth(score: Score) -> tuple[object, ...]:
    """A score without its times."""
    return score.fitness, score.families, score.problems, score.by_seed, score.exact


@pytest.mark.parametrize("rung", [RUNG, EXACT])
def test_relu_is_worth_exactly_nothing(rung: Rung) -> None:
    score = LabFitness().score(graph_of("relu"), rung)
    assert score.fitness == 0
    assert set(score.families.values()) == set(score.problems.values()) == {0}
    assert score.exact is rung.exact
    assert score.seconds > 0
    assert score.cpu_seconds > 0


def test_fitness_is_the_mean_over_families_of_log_ratios() -> None:
    dealt = deal_problems(SEARCHED, RUNG.problems)
    chosen = [problem for group in dealt.values() for problem in group]
    mine, relu = (
        np.log10(np.maximum(evaluate(activations.get(name), chosen, RUNG.seeds, RECIPE)["validation"], FLOOR))
        for name in ("gelu", "relu")
    )
    ratios = mine - relu
    expected = (ratios[:, :2].mean() + ratios[:, 2:].mean()) / 2
    score = LabFitness().score(graph_of("gelu"), EXACT)
    assert score.fitness == pytest.approx(expected)
    assert score.fitness != pytest.approx(ratios.mean())
    assert score.families == pytest.approx({"polynomials": ratios[:, :2].mean(), "feynman": ratios[:, 2:].mean()})
    assert score.problems == pytest.approx({p.name: r for p, r in zip(chosen, ratios.mean(axis=0), strict=True)})
    assert np.mean(score.by_seed) == pytest.approx(score.fitness)


def test_tabulated_score_is_near_the_exact_one_and_repeats_itself() -> None:
    lab = LabFitness()
    first, again = lab.score(graph_of("gelu"), RUNG), LabFitness().score(graph_of("gelu"), RUNG)
    assert worth(first) == worth(again)
    assert first.fitness == pytest.approx(lab.score(graph_of("gelu"), EXACT).fitness, abs=0.01)


def test_fresh_seeds_are_another_training() -> None:
    lab = LabFitness()
    own, named, fresh = (lab.score(graph_of("gelu"), RUNG, seeds) for seeds in (None, (0, 1), (5, 6)))
    assert worth(own) == worth(named)
    assert worth(own) != worth(fresh)
    assert lab.score(graph_of("relu"), RUNG, (5, 6)).fitness == 0


@pytest.mark.parametrize("rung", [RUNG, EXACT])
def test_what_is_not_finite_is_worth_infinitely_little(rung: Rung) -> None:
    score = LabFitness().score(graph_of(LOST), rung)
    numbers = [score.fitness, *score.families.values(), *score.problems.values(), *score.by_seed]
    assert set(numbers) == {math.inf}
    assert set(score.families) == set(SEARCHED)


@pytest.mark.parametrize("name", ["swish", "turbulent"])
def test_what_has_no_table_is_scored_exactly_on_any_rung(name: str) -> None:
    score = LabFitness().score(activations.get(name).graph, RUNG)
    assert score.exact
    assert math.isfinite(score.fitness)


def test_many_at_once_score_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "AT_ONCE", 2)
    graphs = [activations.get(name).graph for name in ("gelu", "turbulent", "sine", "tanh")] + [graph_of(LOST)]
    alone = LabFitness().score_many(graphs, RUNG)
    together = LabFitness(device="cpu:0").score_many(graphs, RUNG)  # any name but `cpu` trains groups of `AT_ONCE`
    assert [score.exact for score in together] == [False, True, False, False, False]
    for one, other in zip(alone, together, strict=True):
        assert other.fitness == pytest.approx(one.fitness, abs=1e-3)


def test_problems_of_the_rungs_and_of_the_report_are_apart() -> None:
    for family in FAMILIES:
        kept = {problem.name for problem in kept_problems(family, 1000)}
        searched = {problem.name for problem in deal_problems([family], 1000)[family]}
        assert not kept & searched
        assert kept | searched == {problem.name for problem in problems(family)}
        assert len(kept) >= 9


def test_problems_are_dealt_in_turn() -> None:
    dealt = deal_problems(SEARCHED, 9)
    assert [len(group) for group in dealt.values()] == [5, 4]
    assert len({problem.name for group in dealt.values() for problem in group}) == 9


def test_the_ladder_rises_and_keeps_its_seeds_apart() -> None:
    rungs = (*LADDER, FINAL)
    costs = [rung.problems * len(rung.seeds) * rung.recipe.steps for rung in rungs]
    assert costs == sorted(costs)
    seeds = [seed for rung in rungs for seed in rung.seeds]
    assert len(set(seeds)) == len(seeds)
    assert FINAL.exact
    assert (FIRST.problems, len(FIRST.seeds)) == (9, 2)
    assert not set(SEARCHED) & set(HELD_OUT)
    assert set(SEARCHED) | set(HELD_OUT) == set(FAMILIES)


def test_correlation_counts_and_puts_the_lost_last() -> None:
    assert rung_correlation([(0.1, 1.0), (0.2, 2.0), (math.inf, math.inf)]) == (1.0, 3)
    assert rung_correlation([(0.1, 2.0), (0.2, 1.0)]) == (-1.0, 2)
    tau, n = rung_correlation([(0.1, 2.0)])
    assert math.isnan(tau)
    assert n == 1


def test_report_opens_the_sealed_shift_on_kept_problems() -> None:
    scores = {}
    for name in ("gelu", "relu"):
        scores[name] = report_losses(activations.get(name).graph, (7, 8), count=2, recipe=RECIPE)
        trained = train(activations.get(name), kept_problems("harmonics", 2), (7, 8), RECIPE)
        sealed = open_sealed_shift(trained.data, RECIPE.test_points)
        logs = np.log10(losses(trained.model, sealed, RECIPE.batch)).reshape(2, 2)
        shown = scores[name].sealed["harmonics"]
        assert list(shown) == [problem.name for problem in kept_problems("harmonics", 2)]
        assert list(shown.values()) == [pytest.approx(tuple(column)) for column in logs.T]
        assert shown != scores[name].validation["harmonics"]
    ratios = scores["gelu"].beside(scores["relu"])
    assert set(ratios.sealed) == set(ratios.validation) == set(FAMILIES)
    for name, by_seed in ratios.validation["feynman"].items():
        mine, relu = (scores[one].validation["feynman"][name] for one in ("gelu", "relu"))
        assert by_seed == tuple(m - r for m, r in zip(mine, relu, strict=True))


def test_report_takes_all_kept_problems_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    seen: list[int] = []

    def watched(*told: Any) -> Trained:
        seen.append(torch.get_num_threads())
        return train(*told)

    monkeypatch.setattr(fitness_report, "train", watched)
    try:
        shown = report_losses(activations.get("relu").graph, (7,), ("harmonics",), recipe=replace(RECIPE, steps=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1]
    assert list(shown.sealed["harmonics"]) == [problem.name for problem in kept_problems("harmonics", 1000)]


def test_report_takes_a_lost_function() -> None:
    lost, relu = (
        report_losses(graph_of(text), (7,), families=("feynman",), count=1, recipe=RECIPE) for text in (LOST, "relu")
    )
    ratios = lost.beside(relu)
    (name,) = ratios.sealed["feynman"]
    assert ratios.sealed["feynman"][name] == ratios.validation["feynman"][name] == (math.inf,)


def test_ladder_is_read_without_torch() -> None:
    program = "import sys, mining.fitness; raise SystemExit('torch' in sys.modules or 'jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
