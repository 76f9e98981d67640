"""The search: generation after generation, from proposals to a population, in a way that can be stopped and repeated.

A generation belongs to one island. Its proposals are written down, judged (jail, screen, identity), trained on the
cheap rung, the best quarter of them on the deep rung, and a new best function on fresh seeds, exactly; then the
generation is closed. All that is random in generation g comes from a stream made of the seed and g, and all else from
closed generations, so a search that was stopped goes on to the same population as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mining.candidate import Proposal, Proposer
from mining.island import Island
from mining.judge import Judge
from mining.population import Evaluation, Population, Slot
from mining.settings import Budget, Evaluate, Job, Rungs, Settings, Status, Watch, claim

if TYPE_CHECKING:
    from mining.fitness import Rung

DEEPENED = 0.25
"""Share of a generation that is trained on the deep rung: the best on the cheap one."""
IDLE_GENERATIONS = 5
"""A search ends when so many generations in a row brought nothing new."""


class Search:
    """One search on one population."""

    def __init__(
        self,
        population: Population,
        settings: Settings,
        proposers: Mapping[str, Proposer],
        evaluate: Evaluate,
        judge: Judge,
        rungs: Rungs,
        watch: Watch = lambda status: None,
    ) -> None:
        """Begin, or go on with what the population holds.

        Raises:
            PopulationError: the population belongs to a search with other settings.
        """
        self._population, self._settings, self._proposers = population, settings, proposers
        self._evaluate, self._judge, self._rungs, self._watch = evaluate, judge, rungs, watch
        claim(population, settings)
        self._closed = population.slots()
        for slot in self._closed:
            if slot.proposal.graph is not None and slot.scored:
                judge.remember(slot.proposal.graph)
        for name, state in population.states().items():
            if name in proposers and state:
                proposers[name].restore(state)
        self._known = {(e.hash, e.rung): e for e in population.evaluations()}
        self._earlier = population.seconds
        self._session = time.monotonic()

    def run(self, budget: Budget) -> str:
        """Search until the budget is spent; returns why it ended, as a phrase."""
        idle = 0
        while True:
            if budget.over:
                return "stopped" if budget.stop else "time is over"
            begun = bool(self._population.slots(self._population.next))  # and left open by an earlier session
            if not begun and budget.evaluations is not None and self.status().evaluations >= budget.evaluations:
                return "all evaluations are done"
            if idle >= IDLE_GENERATIONS:
                return f"{idle} generations in a row brought nothing new"
            closed = self._generation(budget)
            if closed is None:
                continue  # the budget is over
            idle = 0 if any(slot.scored for slot in closed) else idle + 1

    def status(self) -> Status:
        """How far the search is."""
        cheap = [e.fitness for (_, rung), e in self._known.items() if rung == self._rungs.cheap.name]
        start = {slot.hash for slot in self._closed if slot.generation == 0 and slot.scored}
        final = [e.fitness for (h, rung), e in self._known.items() if rung == self._rungs.final.name and h not in start]
        return Status(
            generation=self._population.next,
            evaluations=max(0, len(cheap) - len(start)) if start else 0,
            best=min(final, default=math.nan),
            median=statistics.median(cheap) if cheap else math.nan,
            rejections=Counter(slot.stage for slot in self._closed if slot.stage),
            seconds=self._earlier + time.monotonic() - self._session,
        )

    def _generation(self, budget: Budget) -> list[Slot] | None:
        """Do, or finish, the generation that is not closed; None where the budget ended it midway."""
        begun = time.monotonic()
        number = self._population.next
        slots = [self._judge(slot) for slot in self._proposed(number)]
        fresh = [slot for slot in slots if slot.stage is None]
        try:
            cheap = self._train(fresh, self._rungs.cheap, budget)
            best, drawn = self._chosen(number, fresh, cheap)
            deep = self._train(best, self._rungs.deep, budget)
            self._train(drawn, self._rungs.deep, budget)
            self._train(self._record_holder(fresh, deep), self._rungs.final, budget)
        except _OutOfTime:
            return None
        closed = [_with_score(slot, cheap, deep) for slot in slots]
        self._learn(closed)
        self._population.close_generation(number, closed, self._states(), time.monotonic() - begun)
        self._closed += closed
        self._watch(self.status())
        return closed

    def _states(self) -> dict[str, str]:
        return {name: proposer.state() for name, proposer in self._proposers.items()}

    def _proposed(self, number: int) -> list[Slot]:
        """The proposals of a generation: those written down before, or new ones, written down first."""
        found = self._population.slots(number)
        if found:
            return found
        island = number % self._settings.islands
        proposals = self._start() if number == 0 else self._propose(number, island)
        self._population.add_proposals(number, island, proposals, self._states())
        return self._population.slots(number)

    def _start(self) -> list[Proposal]:
        """Generation 0: known functions."""
        from activations import get

        known = [get(name) for name in self._settings.start]
        return [Proposal("start", a.graph, rationale=a.formula, operation=a.name) for a in known]

    def _propose(self, number: int, island: int) -> list[Proposal]:
        """A generation's proposals, shared out among the proposers by their weights."""
        stream = np.random.default_rng([self._settings.seed, number])
        view = Island(self._closed, island, number, self._settings.islands, self._rungs.deep.name)
        names, weights = zip(*self._settings.proposers, strict=True)
        shares = stream.multinomial(self._settings.generation_size, np.array(weights) / sum(weights))
        proposals: list[Proposal] = []
        for name, share in zip(names, shares, strict=True):
            if share:
                proposals += self._proposers[name].propose(int(share), view, stream)
        return proposals

    def _train(self, slots: Sequence[Slot], rung: Rung, budget: Budget) -> dict[str, Evaluation]:
        """What the rung says of each function, trained now where it was not before.

        Raises:
            _OutOfTime: the budget was spent before all were trained; what was trained is written down.
        """
        graphs = {slot.hash: slot.proposal.graph for slot in slots if slot.hash and slot.proposal.graph}
        jobs = [Job(h, graph, rung) for h, graph in graphs.items() if (h, rung.name) not in self._known]
        if jobs and budget.over:
            raise _OutOfTime
        with contextlib.closing(self._evaluate(jobs)) as arriving:
            for evaluation in arriving:
                if evaluation is not None:
                    self._population.add_evaluation(evaluation)
                    self._known[evaluation.hash, evaluation.rung] = evaluation
                    self._watch(self.status())
                if budget.over:
                    raise _OutOfTime
        return {h: self._known[h, rung.name] for h in graphs}

    def _chosen(
        self, number: int, fresh: Sequence[Slot], cheap: Mapping[str, Evaluation]
    ) -> tuple[list[Slot], list[Slot]]:
        """What goes to the deep rung: the best on the cheap one, and one more drawn from the rest, so that the
        rungs' correlation is not that of the best alone. The drawn one keeps its cheap fitness in the population:
        it was not chosen for being good, and must not stand before others that were not.
        """
        ranked = sorted((s for s in fresh if math.isfinite(cheap[s.hash or ""].fitness)),
                        key=lambda s: (cheap[s.hash or ""].fitness, s.slot))  # fmt: skip
        first = math.ceil(DEEPENED * len(fresh))
        rest = ranked[first:]
        stream = np.random.default_rng([self._settings.seed, number, 1])
        return ranked[:first], [rest[int(stream.integers(len(rest)))]] if rest else []

    def _record_holder(self, fresh: Sequence[Slot], deep: Mapping[str, Evaluation]) -> list[Slot]:
        """The function that would be the best so far, to be confirmed on fresh seeds; none where there is no such."""
        name = self._rungs.deep.name
        before = min((e.fitness for (h, r), e in self._known.items() if r == name and h not in deep), default=math.inf)
        scored = [(deep[slot.hash].fitness, slot.slot, slot) for slot in fresh if slot.hash and slot.hash in deep]
        record = min(scored, default=None, key=lambda entry: entry[:2])
        return [record[2]] if record is not None and record[0] < before else []

    def _learn(self, slots: Sequence[Slot]) -> None:
        """Tell each proposer what came of its proposals; a function that was known has the fitness that was known."""
        for name, proposer in self._proposers.items():
            own = [slot for slot in slots if slot.proposal.proposer == name]
            if own:
                proposer.learn([(slot.proposal, self._fitness(slot)) for slot in own])

    def _fitness(self, slot: Slot) -> float | None:
        """Of the cheap rung alone: what one function is worth must not depend on how far it climbed."""
        known = self._known.get((slot.twin or slot.hash or "", self._rungs.cheap.name))
        return known.fitness if known else None


class _OutOfTime(Exception):
    """The budget was spent in the middle of a generation."""


def _with_score(slot: Slot, cheap: Mapping[str, Evaluation], deep: Mapping[str, Evaluation]) -> Slot:
    """A slot with the word of the last rung that it reached; rejected ones stay as they are."""
    if slot.stage is not None or slot.hash is None:
        return slot
    last = deep.get(slot.hash) or cheap[slot.hash]
    return dataclasses.replace(slot, rung=last.rung, fitness=last.fitness, families=last.families)
