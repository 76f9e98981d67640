"""The exhaustive search: each function once, in one fixed order that is not the tables', from where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mining.candidate import Member, Proposer, Rejected, View
from mining.core_units import Recipe, distinct_units
from mining.exhaustive import ExhaustiveSearch, order


class Island:
    """An island that nothing is read from."""

    members: Sequence[Member] = ()
    elites: Sequence[Member] = ()
    rejections: Sequence[Rejected] = ()

    def parent(self, stream: np.random.Generator) -> Member:
        raise AssertionError("an exhaustive search has no parents")


VIEW: View = Island()
STREAM = np.random.default_rng(0)


def take(search: Proposer, count: int) -> list[str]:
    return [proposal.graph.hash for proposal in search.propose(count, VIEW, STREAM) if proposal.graph]


def test_every_function_comes_once_and_then_none() -> None:
    search = ExhaustiveSearch()
    found = take(search, 1000)
    while batch := take(search, 1000):
        found += batch
    assert len(found) == len(set(found))
    assert set(found) == set(distinct_units())
    assert search.propose(5, VIEW, STREAM) == []


def test_proposals_say_what_they_are() -> None:
    proposal = ExhaustiveSearch().propose(1, VIEW, STREAM)[0]
    assert proposal.proposer == "exhaustive"
    assert Recipe.of(proposal) == order()[0]
    assert not proposal.parents


def test_the_order_is_mixed_and_draws_nothing() -> None:
    before = STREAM.bit_generator.state
    early = {recipe.choices[2] for recipe in order()[:100]}
    assert len(early) > 15  # in the tables' order the first hundred have one first unary function
    assert take(ExhaustiveSearch(), 20) == take(ExhaustiveSearch(), 20)
    assert STREAM.bit_generator.state == before


def test_a_resumed_search_goes_on_where_it_stopped() -> None:
    whole, stopped, resumed = ExhaustiveSearch(), ExhaustiveSearch(), ExhaustiveSearch()
    wanted = take(whole, 30)
    found = take(stopped, 13)
    stopped.learn([])
    resumed.restore(stopped.state())
    assert found + take(resumed, 17) == wanted


def test_a_search_that_was_stopped_after_proposing_does_not_propose_the_same_again() -> None:
    whole, resumed = ExhaustiveSearch(), ExhaustiveSearch()
    before = whole.state()
    results = [(proposal, None) for proposal in whole.propose(7, VIEW, STREAM)]
    resumed.restore(before)
    for search in (whole, resumed):
        search.learn(results)
    assert resumed.state() == whole.state()
    assert take(resumed, 5) == take(whole, 5)
