"""What a proposer sees: its own island, the start, migrants from time to time, and the elite of each niche."""

import math
from collections import Counter

import numpy as np

from activations import get
from mining.candidate import Proposal
from mining.island import MIGRANTS, MIGRATION, SHOWN_REJECTIONS, Island
from mining.population import Slot


def slot(generation: int, island: int, fitness: float, niche: int = 0, rung: str = "deep") -> Slot:
    name = f"{generation:02}{island}{fitness:+.2f}"
    proposal = Proposal("genetic", get("relu").graph, source=name)
    return Slot(generation, 0, island, proposal, hash=name, niche=(niche,), rung=rung, fitness=fitness, families={})


def rejected(generation: int) -> Slot:
    return Slot(generation, 1, 0, Proposal("llm", None, "text"), stage="jail", reason=f"reason {generation}")


def island(slots: list[Slot], number: int, generation: int) -> Island:
    return Island(slots, number, generation, 2, "deep")


def test_the_deep_rung_comes_first_and_the_start_lives_everywhere() -> None:
    slots = [slot(0, 0, 0.0), slot(1, 1, -0.2), slot(2, 0, -0.9, rung="cheap"), slot(4, 0, -0.1)]
    assert [m.fitness for m in island(slots, 0, 5).members] == [-0.1, 0.0, -0.9]
    assert [m.fitness for m in island(slots, 1, 5).members] == [-0.2, 0.0]


def test_what_was_lost_on_the_deep_rung_comes_last() -> None:
    slots = [slot(0, 0, 0.0), slot(1, 0, math.inf, niche=1), slot(2, 0, 0.4, niche=1, rung="cheap")]
    assert [m.fitness for m in island(slots, 0, 3).members] == [0.0, 0.4, math.inf]
    assert [m.fitness for m in island(slots, 0, 3).elites] == [0.0, 0.4]


def test_migrants_arrive_together_and_not_before() -> None:
    away = [slot(g, 1, -0.1 * g) for g in (1, 3, 5, 7)]
    at_home = [slot(2, 0, 0.5)]
    before = island([*away, *at_home], 0, 2 * MIGRATION - 1)
    after = island([*away, *at_home], 0, 2 * MIGRATION)
    assert [m.fitness for m in before.members] == [0.5]
    assert [round(m.fitness, 2) for m in after.members] == [-0.7, -0.5, 0.5]
    assert MIGRANTS == 2


def test_each_niche_has_one_elite() -> None:
    slots = [slot(0, 0, 0.3, niche=1), slot(1, 0, -0.2, niche=2), slot(2, 0, -0.1, niche=1), slot(3, 0, 0.9, niche=3)]
    assert [(m.niche, m.fitness) for m in island(slots, 0, 4).elites] == [((2,), -0.2), ((1,), -0.1), ((3,), 0.9)]


def test_good_ones_breed_more_often_and_rare_niches_too() -> None:
    crowd = [slot(1, 0, 0.01 * k, niche=0) for k in range(30)]
    rare = slot(2, 0, 5.0, niche=1)
    view = island([*crowd, rare], 0, 3)
    stream = np.random.default_rng(0)
    drawn = Counter(view.parent(stream).fitness for _ in range(4000))
    assert drawn[0.0] > 0.25 * 4000
    assert 0.2 * 4000 < drawn[5.0] < 0.3 * 4000
    assert drawn[0.02] > 2 * drawn[0.27]


def test_rejections_are_the_latest_of_all_islands() -> None:
    view = island([slot(0, 0, 0.0), *(rejected(g) for g in range(1, 60))], 1, 60)
    assert [r.reason for r in view.rejections[:2]] == ["reason 59", "reason 58"]
    assert len(view.rejections) == SHOWN_REJECTIONS
