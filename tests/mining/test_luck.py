"""What luck gives: copies on seeds of their own, kept once trained, and the law of the best of many."""

import dataclasses
import math
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mining.luck import COPIES, FIRST_SEED, Copy, Luck, measure_luck, read_luck
from mining.population import Evaluation, Population
from mining.settings import RUNGS, Job

from .populations import GELU, Lab


def luck_of(*fitness: float) -> Luck:
    return Luck(tuple(Copy((FIRST_SEED + i,), value, 1.0) for i, value in enumerate(fitness)))


def test_every_copy_has_seeds_of_its_own_that_no_rung_has(tmp_path: Path) -> None:
    lab = Lab()
    with Population(tmp_path / "p") as population:
        luck = measure_luck(population, lab, GELU, RUNGS.cheap)
        assert read_luck(population) == luck
        assert population.evaluations() == [], "a copy is no evaluation of the search"
    seeds = [seed for copy in luck.copies for seed in copy.seeds]
    assert len(luck.copies) == COPIES
    assert len(seeds) == len(set(seeds)) == COPIES * len(RUNGS.cheap.seeds)
    assert not set(seeds) & {*RUNGS.cheap.seeds, *RUNGS.deep.seeds, *RUNGS.final.seeds}
    assert all(dataclasses.replace(job.rung, seeds=RUNGS.cheap.seeds) == RUNGS.cheap for job in lab.jobs)
    assert {job.graph for job in lab.jobs} == {GELU}


def test_what_is_trained_is_kept_and_a_stopped_measurement_goes_on(tmp_path: Path) -> None:
    def three_then_killed(jobs: Sequence[Job]) -> Generator[Evaluation | None]:
        yield from list(Lab()(jobs))[:6]
        raise KeyboardInterrupt

    with Population(tmp_path / "p") as population:
        with pytest.raises(KeyboardInterrupt):
            measure_luck(population, three_then_killed, GELU, RUNGS.cheap, 5)
        assert len(read_luck(population).copies) == 3
        lab = Lab()
        luck = measure_luck(population, lab, GELU, RUNGS.cheap, 5)
        assert len(lab.jobs) == 2
        assert measure_luck(population, Lab(), GELU, RUNGS.cheap, 5) == luck
    with Population(tmp_path / "whole") as population:
        assert measure_luck(population, Lab(), GELU, RUNGS.cheap, 5) == luck


def test_copies_of_another_protocol_are_trained_anew(tmp_path: Path) -> None:
    with Population(tmp_path / "p") as population:
        measure_luck(population, Lab(), GELU, RUNGS.cheap, 3)
        lab = Lab()
        measure_luck(population, lab, GELU, dataclasses.replace(RUNGS.cheap, problems=2), 3)
        assert len(lab.jobs) == 3


@pytest.mark.parametrize("count", [1, 2, 10, 100, 1000])
def test_the_expected_best_is_that_of_simulated_normal_numbers(count: int) -> None:
    luck = luck_of(-0.3, -0.1, 0.0, 0.2)
    drawn = np.random.default_rng(3).normal(luck.mean, luck.sd, (4000, count)).min(axis=1)
    error = float(drawn.std()) / math.sqrt(len(drawn))
    assert luck.expected_best(count) == pytest.approx(float(drawn.mean()), abs=4 * error + 0.01 * luck.sd)


@pytest.mark.parametrize("count", [1, 20, 200])
def test_mere_copies_fall_below_the_reach_in_one_search_of_twenty_at_most(count: int) -> None:
    """Mean and sd are estimated anew from 16 copies each time, as in a report."""
    stream = np.random.default_rng(4)
    below = 0
    for _ in range(400):
        luck = luck_of(*stream.normal(-0.05, 0.02, 16))
        below += float(stream.normal(-0.05, 0.02, count).min()) < luck.reach(count)
    assert 1 <= below <= 38, "at most 20 of 400 but for chance, and no bound that nothing could ever pass"


def test_too_little_says_nothing() -> None:
    assert math.isnan(luck_of().mean)
    for luck in (luck_of(), luck_of(0.1), luck_of(0.1, math.inf)):
        assert math.isnan(luck.sd)
        assert math.isnan(luck.expected_best(10))
        assert math.isnan(luck.reach(10))
    assert math.isnan(luck_of(0.1, 0.2).expected_best(0))
    assert luck_of(0.1, 0.2, math.inf).mean == pytest.approx(0.15), "a copy that was lost says nothing of the rest"
