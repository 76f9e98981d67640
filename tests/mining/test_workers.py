"""Processes that train: the same score as in this process, a second try after a death, and none left behind."""

import math
import os
import signal
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

import psutil
import pytest

from activations import Graph, get
from activations.graph import Node
from mining import workers
from mining.fitness import LabFitness, Rung, Score
from mining.population import Evaluation
from mining.settings import Job
from mining.workers import Workers
from tasks import MissingData
from tasks.lab import LabRecipe

TINY = Rung("tiny", 2, (0,), LabRecipe(every=1, steps=8, train_points=128, test_points=128), exact=False)
FAMILIES = ("polynomials", "feynman")


def job(name: str) -> Job:
    graph = get(name).graph
    return Job(graph.hash, graph, TINY)


def test_a_score_is_that_of_this_process_and_no_process_stays() -> None:
    jobs = [job(name) for name in ("gelu", "silu", "relu")]
    with Workers(partial(LabFitness, FAMILIES), processes=2) as pool:
        found = {evaluation.hash: evaluation for evaluation in pool(jobs) if evaluation}
        children = psutil.Process().children(recursive=True)
    own = LabFitness(FAMILIES)
    for each in jobs:
        score = own.score(each.graph, TINY)
        assert (found[each.hash].fitness, found[each.hash].families) == (score.fitness, score.families)
    assert found[get("relu").graph.hash].fitness == 0.0
    assert len(children) >= 2
    _, alive = psutil.wait_procs([child for child in children if "spawn_main" in " ".join(cmdline(child))], timeout=10)
    assert not alive


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_killed_process_is_replaced_and_its_job_done_again() -> None:
    with Workers(partial(LabFitness, FAMILIES)) as pool:
        first = next(e for e in pool([job("relu")]) if e)
        for child in psutil.Process().children(recursive=True):
            if "spawn_main" in " ".join(cmdline(child)):
                os.kill(child.pid, signal.SIGKILL)
        second = next(e for e in pool([job("gelu")]) if e)
    assert first.fitness == 0.0
    assert math.isfinite(second.fitness)


def test_a_job_that_kills_its_process_twice_is_lost_and_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deadly = get("silu").graph.hash

    class Pool:
        broken = False

        def submit(self, _: Any, each: Job) -> Future[Any]:
            future: Future[Any] = Future()
            Pool.broken |= each.hash == deadly
            if Pool.broken:  # as in a real pool, what runs beside the deadly job dies with it
                future.set_exception(BrokenProcessPool("killed"))
            else:
                future.set_result(Evaluation(each.hash, "tiny", 0.5, {}, {}, False, 1.0))
            return future

    pool = Workers(partial(LabFitness, FAMILIES), processes=2)
    monkeypatch.setattr(pool, "_executor", Pool)
    monkeypatch.setattr(pool, "close", lambda: setattr(Pool, "broken", False))
    found = {e.hash: e.fitness for e in pool([job(name) for name in ("gelu", "silu", "mish", "relu")]) if e}
    assert found.pop(deadly) == math.inf
    assert list(found.values()) == [0.5] * 3
    assert "killed twice" in capsys.readouterr().err


def test_each_process_has_its_own_environment() -> None:
    places = [{"ACTIVATION_BENCH_PLACE": str(k)} for k in range(2)]
    with Workers(Place, environments=places) as pool:
        seen = {e.fitness for _ in range(20) for e in pool([job("relu"), job("gelu")]) if e}
    assert seen == {0.0, 1.0}


class Place:
    """A fitness that says where it runs."""

    def score(self, graph: Graph, rung: Rung) -> Score:
        time.sleep(0.05)
        return Score(float(os.environ["ACTIVATION_BENCH_PLACE"]), {}, {}, (), 0.0, 0.0, exact=True)


def test_a_fault_of_the_machine_is_no_fitness(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unmounted:
        def score(self, graph: Graph, rung: Rung) -> None:
            raise MissingData("CIFAR-10 is gone")

    monkeypatch.setattr(workers, "_fitness", Unmounted())
    with pytest.raises(MissingData):
        workers._train(job("relu"))


def test_an_unforeseen_failure_is_the_worst_score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def score(self, graph: Graph, rung: Rung) -> None:
            raise MemoryError("no room")

    monkeypatch.setattr(workers, "_fitness", Broken())
    broken = Graph((Node("sin", ("x",)),), ("v0",))
    evaluation = workers._train(Job(broken.hash, broken, TINY))
    assert evaluation.fitness == math.inf
    assert "MemoryError: no room" in capsys.readouterr().err
