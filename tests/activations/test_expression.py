"""What a user types at `bench try`: expressions and files, the good, the mistaken and the hostile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import activations
from activations import ExpressionError, PluginError, TraceError, expression, plugins, registry

X = torch.linspace(-3, 3, 25, dtype=torch.float64)


@pytest.fixture(autouse=True)
def clean_catalogue() -> Iterator[None]:
    before, loaded = registry.snapshot(), dict(plugins._loaded)
    yield
    registry.restore(before)
    plugins._loaded.clear()
    plugins._loaded.update(loaded)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("gelu(x) * (1 + 0.5 * sinc(x))", F.gelu(X) * (1 + 0.5 * torch.sinc(X))),
        (" x*sigmoid( 1.702*x )\n", X * torch.sigmoid(1.702 * X)),
        ("0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))", F.gelu(X, approximate="tanh")),
        ("gelu(x, approximate='tanh')", F.gelu(X, approximate="tanh")),
        ("where(x > 0, x, 0.01 * x)", F.leaky_relu(X)),
        ("max(x, 0) + min(0, x) / 10", F.leaky_relu(X, 0.1)),
        ("max(x, sin(x)) - min(x, cos(x))", torch.maximum(X, X.sin()) - torch.minimum(X, X.cos())),
        ("leaky_relu(x, negative_slope=0.2)", F.leaky_relu(X, 0.2)),
        ("-x ** 2 % 3", -(X**2) % 3),
        ("2 ** x + e ** (-x)", 2**X + torch.exp(-X)),
        ("log(1 + exp(x))", torch.log(1 + torch.exp(X))),
        ("x - mean(x)", X - X.mean()),
        ("x + roll(x, 1, -1)", X + X.roll(1, -1)),
    ],
)
def test_expression_means_what_torch_means(text: str, value: torch.Tensor) -> None:
    torch.testing.assert_close(expression.parse(text)(X), value, rtol=1e-14, atol=1e-14)


def test_from_source_is_an_activation_like_any_other() -> None:
    activation = activations.from_source(" x * sigmoid(x) ")
    assert (activation.name, activation.formula, activation.source) == ("candidate", "x * sigmoid(x)", "x * sigmoid(x)")
    assert activation.graph.hash == activations.get("silu").graph.hash
    assert "candidate" not in activations.names()
    assert activations.from_source("x", name="mine").name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch.relu(x)", r"'torch.relu' is not allowed in an expression: write relu\(\.\.\.\) alone"),
        ("x.relu()", r"'x.relu' is not allowed"),
        ("x.grad", r"'x.grad' is not allowed"),
        ("geluu(x)", r"function 'geluu' is unknown in an expression: did you mean .*gelu"),
        ("beta * x", r"name 'beta' is unknown"),
        ("x if x > 0 else 0 * x", r"use where\(condition, a, b\)"),
        ("x ^ 2", r"a power is written \*\*"),
        ("x +", r"neither a \.py file nor an expression in x: invalid syntax"),
        ("", r"neither a \.py file nor an expression"),
        ("x = 3", r"neither a \.py file nor an expression"),
        ("import os", r"neither a \.py file nor an expression"),
        ("3 + 2", r"does not use x"),
        ("relu(pi)", r"does not use x"),
        ("cumsum", r"name 'cumsum' is unknown in an expression: a function is called, as in cumsum\(x\)"),
        ("gelu-sin", r"name 'gelu' is unknown .*as in gelu\(x\); the nearest registered activation is gelu-sine\.$"),
        ("sin(gelu) + x", r"name 'gelu' is unknown in an expression: a function is called, as in gelu\(x\)"),
        ("qqq(x)", r"'qqq' is unknown in an expression: use x, numbers, pi, e, tau and the functions abs, .*xlogy\."),
        ("geluu(x)", r"did you mean .*gelu.*\? The functions are abs, .*xlogy\."),
        ("~x", r"'~x' is not allowed"),
        ("x\0", r"neither a \.py file nor an expression"),
        ("-" * 1900 + "x", r"nests more than 400 levels deep: write a \.py file"),
        ("x" + " + x" * 450, r"nests more than 400 levels deep"),
        ("a" * 999, r"is unknown in an expression"),
        ("x(3)", r"function 'x' is unknown"),
        ("3j * x", r"3j is not allowed in an expression: use real numbers"),
        ("x + 'a'", r"'a' is not allowed"),
        ("__import__('os').system('true') + x", r"not allowed"),
        ("__import__(x)", r"function '__import__' is unknown"),
        ("eval('1') + x", r"function 'eval' is unknown"),
        ("load(x)", r"function 'load' is unknown"),
        ("(lambda: x)()", r"not allowed"),
        ("[x for y in x]", r"not allowed"),
        ("x[0]", r"not allowed"),
        ("relu(*x)", r"not allowed"),
        ("relu(**x)", r"not allowed"),
        ("f'{x}'", r"not allowed"),
        ("(y := x)", r"not allowed"),
        ("x < 1 < 2", r"not allowed"),
        ("x and x", r"not allowed"),
        ("x @ x", r"not allowed"),
        ("x" + " + x" * 1000, r"4001 characters: write a \.py file"),
        ("(" * 600 + "x" + ")" * 600, r"neither a \.py file nor an expression"),
    ],
)
def test_what_is_no_expression_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        activations.from_source(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["x + 9**9**9**9", "x * 2**1000000000", "x + 1 / 0", "x + log(0)", "roll(x, 9**9**9)"])
def test_hostile_numbers_end_at_once(text: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be computed: "):
        activations.from_source(text)


@settings(deadline=None)  # a busy machine is no fault
@given(st.text(alphabet="x0123456789.+-*/%()<>,[]{}'\"_=: sincogelupow\\", max_size=40))
def test_no_text_gets_past_the_list(text: str) -> None:
    with contextlib.suppress(ExpressionError):  # nothing else may come out of it, and nothing is run
        assert callable(expression.parse(text))


@pytest.mark.parametrize("length", [255, 256, 777, 999, 1000])
def test_an_expression_of_any_length_is_no_file(length: int) -> None:
    text = ("x" + " + sin(x)" * 200)[: length // 9 * 9 - 8].ljust(length - 2) + "+1"
    assert activations.from_source(text).source == text
    assert len(text) == length


@pytest.mark.parametrize("text", ["gelu-sine", " gelu-sine\n", "swish-1"])
def test_the_name_of_a_registered_activation_is_that_activation(text: str) -> None:
    assert activations.from_source(text) is activations.get(text.strip())


@pytest.mark.parametrize("text", ["x / 0", "x * 1e999", "log(x) / 0"])
def test_infinite_everywhere_is_refused(text: str) -> None:
    with pytest.raises(TraceError, match="'candidate' is infinite or not a number at every ordinary input"):
        activations.from_source(text)
    assert activations.from_source(f"where(x > 2, x, {text})").graph.pointwise  # a finite number somewhere is enough


def test_nan_as_a_constant_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "nothing.py"
    path.write_text("def activation(x):\n    return x * float('nan')\n")
    with pytest.raises(TraceError, match="'nothing' is not a number at any ordinary input"):
        activations.from_source(str(path))


def test_nan_everywhere_is_refused() -> None:
    with pytest.raises(TraceError, match="'candidate' is not a number at any ordinary input"):
        activations.from_source("log(-1 - abs(x))")
    assert activations.from_source("log(x)").graph.pointwise  # a number somewhere is enough


def test_file_with_a_plain_function(tmp_path: Path) -> None:
    path = tmp_path / "My_Act.py"
    path.write_text('import torch\n\ndef activation(x):\n    """x + sin(x)"""\n    return x + torch.sin(x)\n')
    activation = activations.from_source(str(path))
    assert (activation.name, activation.formula, activation.source) == ("my-act", "x + sin(x)", path.read_text())
    assert activation.graph.hash == activations.get("sin-plus-x").graph.hash


def test_file_whose_name_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "relu.py"
    path.write_text("def activation(x):\n    return x * 3\n")
    assert activations.from_source(str(path)).name == "relu-candidate"


def test_file_with_one_registration(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from activations import register\n\n@register('mine-own', formula='2x')\ndef f(x):\n    return x + x\n"
    )
    activation = activations.from_source(str(path))
    assert activation is activations.get("mine-own")
    assert activations.from_source(str(path)) is activation


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("def act(x):\n    return x\n", ExpressionError, r"defines no function `activation\(x\)`"),
        (
            "from activations import register\nfor n in 'ab':\n    register('my-' + n, formula=n)(lambda x: x)\n",
            ExpressionError,
            r"registers 2 activations \(my-a, my-b\): keep one",
        ),
        ("def activation(x) return x\n", PluginError, r"two\.py, line 1"),
    ],
)
def test_unusable_files(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    path = tmp_path / "two.py"
    path.write_text(text)
    with pytest.raises(error, match=message):
        activations.from_source(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\n\ndef activation(x):\n    sys.exit(0)\n", "the function raised SystemExit: 0"),
        ("import torch\nactivation = torch.nn.PReLU()\n", "uses a tensor from outside .*torch module's weight"),
    ],
)
def test_functions_that_end_the_program_or_are_modules_with_weights(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(TraceError, match=message) as caught:
        activations.from_source(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_in_its_own_encoding(tmp_path: Path) -> None:
    text = '# -*- coding: latin-1 -*-\ndef activation(x):\n    """\xe9tag\xe9"""\n    return x * 2\n'
    path = tmp_path / "latin.py"
    path.write_bytes(text.encode("latin-1"))
    activation = activations.from_source(str(path))
    assert (activation.formula, activation.source) == ("\xe9tag\xe9", text)


def test_a_torch_module_without_weights_is_called_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "relu.py"
    path.write_text("import torch\nactivation = torch.nn.ReLU()\n")
    activation = activations.from_source(str(path))
    assert (activation.formula, activation.graph) == ("relu.py", activations.get("relu").graph)


def test_missing_file() -> None:
    with pytest.raises(PluginError, match="There is no plugin file"):
        activations.from_source("not_there.py")
