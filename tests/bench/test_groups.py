"""Groups of activations: every member is registered, and a group may stand where a name may."""

import pytest

import activations
from bench.errors import UsageError
from bench.groups import GROUPS, MINED, choose, members


def chosen(*words: str) -> list[str]:
    return choose(words, activations.names(), lambda name: activations.get(name).name)


@pytest.mark.parametrize("group", GROUPS)
def test_every_member_is_in_the_catalogue_under_this_name(group: str) -> None:
    assert [activations.get(name).name for name in members(group)] == list(members(group))
    assert members(group)[0] == "relu"


def test_the_eight_of_the_swish_paper() -> None:
    assert len(set(members("@swish-paper")) - {"relu"}) == 8


def test_groups_names_and_patterns_mix_and_each_counts_once() -> None:
    found = chosen("gelu", "@paper", "gelu-*")
    assert found[:2] == ["gelu", "relu"]
    assert set(found) == {*members("@paper"), "gelu-tanh"}
    assert len(found) == len(set(found))


def test_the_mined_are_those_that_a_search_chose() -> None:
    expected = [name for name in activations.names() if activations.get(name).mined_on]
    assert chosen(MINED) == ["relu", *expected]


def test_an_unknown_group_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="no group is called '@papers': did you mean @paper"):
        chosen("@papers")
