"""The control: it reaches the whole space evenly, draws from the given stream alone, and learns nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mining.candidate import Member, Proposer, Rejected, View
from mining.core_units import BINARY, UNARY, Recipe
from mining.random_search import RandomSearch, draw


class Island:
    """An island that nothing is read from."""

    members: Sequence[Member] = ()
    elites: Sequence[Member] = ()
    rejections: Sequence[Rejected] = ()

    def parent(self, stream: np.random.Generator) -> Member:
        raise AssertionError("the control has no parents")


VIEW: View = Island()


def test_every_choice_is_about_equally_frequent() -> None:
    stream = np.random.default_rng(0)
    recipes = [draw(stream) for _ in range(3000)]
    units = Counter(recipe.units for recipe in recipes)
    assert set(units) == {1, 2, 3}
    assert max(units.values()) < 1.2 * min(units.values())
    for component, size in ((2, len(UNARY)), (4, len(BINARY))):
        frequent = Counter(choice for recipe in recipes for choice in recipe.choices[component::5])
        assert set(frequent) == set(range(size))
        assert max(frequent.values()) < 1.5 * min(frequent.values())
    last = Counter(recipe.choices[10] for recipe in recipes if recipe.units == 3)
    assert set(last) == {0, 1, 2}


def test_proposals_are_as_many_as_asked_for_and_say_what_they_are() -> None:
    search: Proposer = RandomSearch()
    proposals = search.propose(25, VIEW, np.random.default_rng(1))
    assert [proposal.proposer for proposal in proposals] == ["random"] * 25
    for proposal in proposals:
        assert proposal.graph is not None
        assert proposal.graph == Recipe.of(proposal).graph


def test_the_stream_alone_decides() -> None:
    search = RandomSearch()
    first = search.propose(10, VIEW, np.random.default_rng(2))
    search.learn([(proposal, -1.0) for proposal in first])
    search.restore(search.state())
    assert search.propose(10, VIEW, np.random.default_rng(2)) == first
    assert search.propose(10, VIEW, np.random.default_rng(3)) != first
