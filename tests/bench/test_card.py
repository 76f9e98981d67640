"""The text of a card: each fact in words, nothing that breaks out of its place, ancestry where a file tells it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import activations
from activations import Activation, registry
from activations.checks import Agreement, Checks
from bench.card import _bound, card, code, equation, lineage, portray, write_card
from bench.evidence import gather
from bench.records import Record
from bench.store import LOCAL, Store

from .conftest import record_fields

PROMOTED = '''\
"""A promoted function."""

# Run: proposer genetic, seed 0, 64 functions trained
# Lineage:
#   start: gelu
#   genetic: add 0.1 * sin(x), whose comment is so long that it goes on
#       on the next line
# Rationale:
#   ```
#   # not a heading

from activations import register


# another comment
@register("promoted-one", formula="x * cos(0.5 * x)", origin="mined", mined_on=("lab-feynman",), aliases=("one",))
def promoted_one(x):
    import torch

    return x * torch.cos(0.5 * x)
'''


@pytest.fixture
def promoted(tmp_path: Path) -> Iterator[Activation]:
    catalogue = registry.snapshot()
    (tmp_path / "promoted.py").write_text(PROMOTED)
    (name,) = activations.load_plugin(tmp_path / "promoted.py")
    yield activations.get(name)
    registry.restore(catalogue)


def facts_of(text: str) -> str:
    return write_card(portray(activations.from_source(text)), [])


def test_a_card_says_what_is_known(tmp_path: Path) -> None:
    text = card(activations.get("tanh"), tmp_path)
    for line in (
        "# tanh\n",
        "* formula: `tanh(x)`\n",
        "```math\nf(x) = \\tanh(x)\n```\n",
        "* pointwise\n",
        "* value at 0: 0, slope at 0: 1\n",
        "* monotone, range -1 to 1\n",
        "* Lipschitz constant 1: the steepest slope found on [-1e6, 1e6]\n",
        "* under N(0, 1): mean 0.0000, second moment 0.3943\n",
        "* bfloat16: value and gradient are finite at all finite bfloat16 numbers\n",
        "* torch and JAX in float32 on [-10, 10] and at edge inputs: values differ by at most 1e-6, gradients",
        "def tanh(",
    ):
        assert line in text
    assert "learns" not in text
    assert "Lineage" not in text
    assert "scores" not in text


def test_what_has_no_bound_is_said_in_words() -> None:
    assert "* Lipschitz constant ∞: the slope grows without bound\n" in facts_of("squared-relu")
    assert "* Lipschitz constant ∞: it jumps or stands upright near x = 0.5\n" in facts_of("hardshrink")
    assert "* not monotone, range 0 to ∞\n" in facts_of("absolute")
    assert "* bfloat16: value and gradient are finite up to |x| = 1.8e19\n" in facts_of("squared-relu")
    assert "* bfloat16: value and gradient are finite not even at 0\n" in facts_of("1 / x")


def test_learned_parameters_are_told_with_the_values_that_the_numbers_hold_for() -> None:
    text = facts_of("star-relu")
    assert "* learns scale, from 0.8944, one per site\n" in text
    assert text.index("learns bias") < text.index("hold for these initial values") < text.index("value at 0")


def test_a_function_of_the_whole_tensor_has_no_shape() -> None:
    text = facts_of("turbulent")
    assert "* not pointwise: an element of the output depends on others of the input, so it has no curve\n" in text
    assert "on a normal tensor of shape (8, 16): values differ by at most" in text
    assert "Lipschitz" not in text
    assert "bfloat16" not in text


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0, "at most 1e-6"),
        (1e-9, "at most 1e-6"),
        (9e-7, "at most 1e-6"),
        (1.1e-6, "at most 1e-5"),
        (0.03, "at most 1e-1"),
        (0.5, "at most 1e0"),
        (math.inf, "more than any number (one is finite where the other is not)"),
    ],
)
def test_differences_are_told_as_bounds(difference: float, words: str) -> None:
    assert _bound(difference) == words


def test_forms_that_differ_are_not_hidden() -> None:
    known = replace(portray(activations.get("relu")), checks=Checks(1.5, Agreement(math.inf, 0.002)))
    text = write_card(known, [])
    assert "finite up to |x| = 1.5\n" in text
    assert "values differ by more than any number" in text
    assert "gradients by at most 1e-2, relative" in text


def test_a_promoted_function_tells_where_it_comes_from(promoted: Activation) -> None:
    told = lineage(promoted).splitlines()
    assert told[:3] == ["Run: proposer genetic, seed 0, 64 functions trained", "Lineage:", "  start: gelu"]
    assert told[-1] == "  # not a heading"
    text = write_card(portray(promoted), [])
    assert "* origin: mined; its data chose it: lab-feynman\n* also called: one\n" in text
    assert "## Lineage\n\n    Run: proposer genetic" in text
    assert "\n      # not a heading\n" in text  # indented code, out of which no sign breaks
    assert "another comment" not in text


def test_most_functions_have_no_ancestors(tmp_path: Path) -> None:
    assert lineage(activations.get("gelu-sine")) == ""
    assert lineage(activations.from_source("x * tanh(x)")) == ""
    assert lineage(Activation.from_graph("bare", activations.get("relu").graph)) == ""


def test_equations_have_a_left_side_and_no_macro_that_pages_refuse() -> None:
    assert equation(r"\operatorname{GELU}(x)") == r"f(x) = \mathrm{GELU}(x)"
    assert equation(r"u_{1} = x^{2},\; f(x) = u_{1}") == r"u_{1} = x^{2},\; f(x) = u_{1}"


def test_code_stays_code() -> None:
    assert code("x  *\n x") == "`x * x`"
    assert code("a `b` c") == "`` a `b` c ``"
    fenced = replace(activations.get("relu"), source='def relu(x):\n    """```"""\n')
    assert "````python\ndef relu(x):" in write_card(portray(fenced), [])


def test_published_and_own_scores_stand_apart(tmp_path: Path) -> None:
    graph = activations.get("relu").graph.hash
    Store(tmp_path / LOCAL).write(Record.model_validate(record_fields("digits", graph_hash=graph)))
    text = card(activations.get("relu"), tmp_path)
    assert "## Your own scores" in text
    assert "## Published scores" not in text
    boards = gather(Store(tmp_path / LOCAL).load().records)
    shown = write_card(portray(activations.get("relu")), boards, picture="![relu](relu.svg)")
    assert "## Published scores" in shown
    assert shown.startswith("# relu\n\n![relu](relu.svg)\n\n* formula")
