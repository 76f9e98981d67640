"""Processes that train: the same score as in this process, a second try after a death, and none left behind."""

import math
import os
import signal
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

import psutil
import pytest

from activations import Graph, get
from activations.graph import Node
from mining import workers
from mining.fitness import LabFitness, Rung
from mining.settings import Job
from mining.workers import WorkerDied, Workers
from tasks.lab import LabRecipe

TINY = Rung("tiny", 2, (0,), LabRecipe(every=1, steps=8, train_points=128, test_points=128), exact=False)
FAMILIES = ("polynomials", "feynman")


def job(name: str) -> Job:
    graph = get(name).graph
    return Job(graph.hash, graph, TINY)


def test_a_score_is_that_of_this_process_and_no_process_stays() -> None:
    jobs = [job(name) for name in ("gelu", "silu", "relu")]
    with Workers(partial(LabFitness, FAMILIES), processes=2) as pool:
        found = {evaluation.hash: evaluation for evaluation in pool(jobs)}
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
        first = next(pool([job("relu")]))
        for child in psutil.Process().children(recursive=True):
            if "spawn_main" in " ".join(cmdline(child)):
                os.kill(child.pid, signal.SIGKILL)
        second = next(pool([job("gelu")]))
    assert first.fitness == 0.0
    assert math.isfinite(second.fitness)


def test_a_job_that_kills_twice_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deadly:
        def submit(self, *_: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

    pool = Workers(partial(LabFitness, FAMILIES))
    monkeypatch.setattr(pool, "_executor", Deadly)
    with pytest.raises(WorkerDied, match="was killed twice"):
        list(pool([job("relu")]))


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
