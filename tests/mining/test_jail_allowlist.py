"""What the allow-list lets through, and what it turns away before anything runs."""

from __future__ import annotations

import ast
import math
import re
import time
from operator import attrgetter
from pathlib import Path

import pytest

from mining.jail import Refused, check, names
from mining.jail.allowlist import STEPS
from mining.jail.outline import DEEPEST, LONGEST, NODES

HERE = Path(__file__).parent


def sections(path: Path) -> dict[str, str]:
    """Sources by their titles, from a file where `### title` begins each."""
    _, *parts = re.split(r"^### (.*)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


HONEST = sections(HERE / "honest.txt")
HOSTILE = sections(HERE / "hostile" / "sources.txt")
EXPRESSIONS = (HERE / "hostile" / "expressions.txt").read_text().splitlines()

GENERATED = {
    "characters": "x = 1\n" * (LONGEST // 6 + 1),
    "nodes": "def activation(x):\n    return x" + "\n    x = 1" * (NODES // 4),
    "levels": "def activation(x):\n    return x" + "+1" * DEEPEST,
    "brackets": "(" * 3000 + ")" * 3000,
    "minus signs": "-" * 7000 + "1",
    "lists": "[" * 3900,
    "a NUL": "def activation(x):\n    return x\0",
    "a surrogate": "def activation(x):\n    return x #\ud800",
    "digits": "def activation(x):\n    return x + " + "9" * 5000,
    "an invalid escape": "def activation(x):\n    return x + '\\d'",
    "names in circles": "".join(f"a{i} = a{i + 1} + a{i + 1}\n" for i in range(40))
    + "def activation(x):\n    for i in range(a0):\n        x = x + 1\n    return x",
    "nothing": "",
    "no function": "y = 3",
    "no Python": "def activation(x) return x",
}


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_sources_pass(source: str) -> None:
    check(source)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_hostile_expressions_are_refused(expression: str) -> None:
    frame = "import torch\nimport torch.nn.functional as F\nimport math\ndef activation(x):\n    return "
    check(frame + "x")
    ast.parse(frame + expression)  # what is refused is what it says, not its syntax
    with pytest.raises(Refused) as refusal:
        check(frame + expression)
    assert re.fullmatch(r"(line 5: |one run|the function).*[^.]\.", str(refusal.value))


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_sources_are_refused(source: str) -> None:
    ast.parse(source)
    with pytest.raises(Refused, match=r"[^.]\.$"):
        check(source)


@pytest.mark.parametrize("source", GENERATED.values(), ids=GENERATED.keys())
def test_sources_out_of_bounds_are_refused_at_once(source: str) -> None:
    begun = time.process_time()
    with pytest.raises(Refused, match=r"[^.]\.$"):
        check(source)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import os\ndef activation(x):\n    return x",
            "line 1: `import os` is not allowed; only import math,",
        ),
        ("def activation(x):\n    return torch.rand(3)", "line 2: torch.rand draws random or unset numbers"),
        ("def activation(x):\n    while x:\n        pass", "line 2: While is not allowed; write `for i in range.10.`"),
        ("def activation(x):\n    return x.item()", r"line 2: the method `.item\(\)` is not allowed"),
        ("def activation(x):\n    return np.sin(x)", "line 2: the name 'np' is not defined in the source"),
        ("def activation(x):\n    return activation(x)", "the function 'activation' calls itself; write a loop over"),
        (
            "def activation(x):\n    for i in x:\n        pass",
            "line 2: a loop over `x` is not allowed; loop over",
        ),
        ("def f(x):\n    return x", "the source defines no function `activation`: write"),
        ("def activation(x):\n  return (x", "line 2: the source is not Python"),
    ],
)
def test_the_reason_says_where_and_what_to_do(source: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check(source)


def test_steps_multiply_through_loops_and_helpers() -> None:
    def source(outer: int) -> str:
        return (
            "def helper(t):\n    for i in range(10):\n        t = t + i\n    return t\n"
            f"def activation(x):\n    for j in range({outer}):\n        x = helper(x)\n    return x"
        )

    inner = 21  # ten additions, ten turns, one call of range
    check(source(STEPS // (inner + 2) - 1))
    with pytest.raises(Refused, match=f"at most {STEPS} are allowed"):
        check(source(STEPS // (inner + 2) + 1))


def test_every_listed_name_exists() -> None:
    import torch
    import torch.nn.functional as F

    lists = [(torch, names.TORCH | names.CONSTANTS["torch"]), (F, names.FUNCTIONAL), (torch.Tensor, names.METHODS)]
    for module, listed in [*lists, (math, names.MATH | names.CONSTANTS["math"])]:
        for name in listed:
            assert attrgetter(name)(module) is not None


def test_no_listed_name_writes_or_reads_files_or_draws() -> None:
    listed = names.TORCH | names.FUNCTIONAL | names.METHODS
    forbidden = re.compile(r"load|save|file|seed|rand|compile|script|set_|numpy|item|tolist|storage|apply|grad|^_|_$")
    assert not [name for name in listed if forbidden.search(name.split(".")[-1])]
    assert not listed & names.RANDOM
