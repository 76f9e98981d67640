"""The search space of "Searching for Activation Functions" (Ramachandran, Zoph, Le, 2017, arXiv 1710.05941).

A core unit is b(u1(x1), u2(x2)): two unary functions and a binary one. Its inputs are x or outputs of earlier units,
and the last unit is the activation; units that it does not reach are left out of the graph.

What the paper leaves open, or does otherwise, is our choice. β is trained there; here it is a constant, a value of its
own for each role so that no role repeats another function (`SCALE` is not 1, or βx would be x), unless `learnable` asks
for parameters. ε is `EPSILON`. sinc(x) is sin(πx)/(πx). log(1 + exp x) is torch's softplus, which does not overflow.
√x stays as it is, not a number for negative x: units that show it to them are left to the screen. A unit of two
constants is no function of x and is not in the space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import product
from typing import Any

from activations import Graph
from activations.codegen import implementation
from activations.graph import GraphParameter, Input, Node
from activations.ops import OPS
from mining.candidate import Proposal

SCALE = 0.5
"""β of the unary βx."""
SHIFT = 1.0
"""β of the unary x + β."""
CONSTANT = 1.0
"""β as a function that ignores its input; 1, so that a product with it is the other unary function alone."""
SHARPNESS = 1.0
"""β of exp(-β(x1 - x2)²) and of exp(-β|x1 - x2|)."""
BLEND = 0.25
"""β of βx1 + (1 - β)x2; not 1/2, which would treat both inputs alike."""
EPSILON = 1e-3
"""Added in log(|x| + ε) and x1/(x2 + ε)."""

MOST_UNITS = 3
"""Units of the largest recipe that a search makes; the paper found that one or two are best."""

_SUM, _PRODUCT, _POWER, _ATOM = range(4)


@dataclass(frozen=True)
class Part:
    """A unary or binary function of the space."""

    name: str
    """As in the paper."""
    rows: str
    """Its definition by rows of the table of operations, in terms of a, b and beta."""
    text: str
    """Template of its formula; `{0}` is the first input."""
    level: int = _ATOM
    """How tightly the formula binds."""
    needs: tuple[int, ...] = (_SUM, _SUM)
    """How tightly each input must bind to stand without parentheses."""
    beta: float | None = None
    """The constant, where there is one."""


UNARY = (
    Part("x", "a", "{0}"),
    Part("-x", "neg(a)", "-{0}", _SUM, (_PRODUCT,)),
    Part("|x|", "abs(a)", "abs({0})"),
    Part("x²", "pow(a, 2)", "{0}**2", _POWER, (_ATOM,)),
    Part("x³", "pow(a, 3)", "{0}**3", _POWER, (_ATOM,)),
    Part("√x", "sqrt(a)", "sqrt({0})"),
    Part("βx", "mul(a, beta)", f"{SCALE} * {{0}}", _PRODUCT, (_PRODUCT,), SCALE),
    Part("x + β", "add(a, beta)", f"{{0}} + {SHIFT}", _SUM, (_SUM,), SHIFT),
    Part("log(|x| + ε)", f"log(add(abs(a), {EPSILON}))", f"log(abs({{0}}) + {EPSILON})"),
    Part("exp x", "exp(a)", "exp({0})"),
    Part("sin x", "sin(a)", "sin({0})"),
    Part("cos x", "cos(a)", "cos({0})"),
    Part("sinh x", "sinh(a)", "sinh({0})"),
    Part("cosh x", "cosh(a)", "cosh({0})"),
    Part("tanh x", "tanh(a)", "tanh({0})"),
    Part("asinh x", "asinh(a)", "asinh({0})"),
    Part("atan x", "atan(a)", "atan({0})"),
    Part("sinc x", "sinc(a)", "sinc({0})"),
    Part("max(x, 0)", "relu(a)", "relu({0})"),
    Part("min(x, 0)", "clamp_max(a, 0)", "min({0}, 0)"),
    Part("σ(x)", "sigmoid(a)", "sigmoid({0})"),
    Part("log(1 + exp x)", "softplus(a, 1, 20)", "softplus({0})"),
    Part("exp(-x²)", "exp(neg(pow(a, 2)))", "exp(-{0}**2)", _ATOM, (_ATOM,)),
    Part("erf x", "erf(a)", "erf({0})"),
    Part("β", "beta", f"{CONSTANT}", beta=CONSTANT),
)
"""The 24 unary functions, and the constant."""

BINARY = (
    Part("x1 + x2", "add(a, b)", "{0} + {1}", _SUM),
    Part("x1 · x2", "mul(a, b)", "{0} * {1}", _PRODUCT, (_PRODUCT, _POWER)),
    Part("x1 - x2", "sub(a, b)", "{0} - {1}", _SUM, (_SUM, _PRODUCT)),
    Part("x1/(x2 + ε)", f"div(a, add(b, {EPSILON}))", f"{{0}} / ({{1}} + {EPSILON})", _PRODUCT, (_PRODUCT, _SUM)),
    Part("max(x1, x2)", "maximum(a, b)", "max({0}, {1})"),
    Part("min(x1, x2)", "minimum(a, b)", "min({0}, {1})"),
    Part("σ(x1) · x2", "mul(sigmoid(a), b)", "sigmoid({0}) * {1}", _PRODUCT, (_SUM, _POWER)),
    Part("exp(-β(x1 - x2)²)", "exp(neg(mul(beta, pow(sub(a, b), 2))))", f"exp(-{SHARPNESS} * ({{0}} - {{1}})**2)",
         needs=(_SUM, _PRODUCT), beta=SHARPNESS),
    Part("exp(-β|x1 - x2|)", "exp(neg(mul(beta, abs(sub(a, b)))))", f"exp(-{SHARPNESS} * abs({{0}} - {{1}}))",
         needs=(_SUM, _PRODUCT), beta=SHARPNESS),
    Part("βx1 + (1 - β)x2", "add(mul(a, beta), mul(b, sub(1, beta)))", f"{BLEND} * {{0}} + {1 - BLEND} * {{1}}",
         _SUM, (_PRODUCT, _PRODUCT), BLEND),
)  # fmt: skip
"""The 10 binary functions."""

COMPONENTS = ("input1", "input2", "unary1", "unary2", "binary")
"""What is chosen for a unit, in this order."""

_CONSTANT = len(UNARY) - 1
_MARK = ", core units "


def options(chosen: Sequence[int]) -> int:
    """How many choices, counted from 0, the next component has after those that are `chosen`.

    Inputs: 0 is x, n the output of unit n. Unary and binary functions: rows of `UNARY` and `BINARY`; after a constant
    the second unary function is none.
    """
    unit, component = divmod(len(chosen), len(COMPONENTS))
    if COMPONENTS[component] == "unary2":
        return _CONSTANT if chosen[-1] == _CONSTANT else len(UNARY)
    return {"unary1": len(UNARY), "binary": len(BINARY)}.get(COMPONENTS[component], unit + 1)


@dataclass(frozen=True)
class Recipe:
    """A function of the space, as the choices that make it.

    Raises:
        ValueError: a choice is out of range, or a unit lacks some.
    """

    choices: tuple[int, ...]
    """Five a unit, in the order of `COMPONENTS`."""

    def __post_init__(self) -> None:
        if not self.choices or len(self.choices) % len(COMPONENTS):
            raise ValueError(f"a recipe has {len(COMPONENTS)} choices a unit, and {len(self.choices)} are none or odd.")
        for index, choice in enumerate(self.choices):
            if not 0 <= choice < options(self.choices[:index]):
                name = COMPONENTS[index % len(COMPONENTS)]
                raise ValueError(f"choice {index} ({name}) is {choice}: take 0 to {options(self.choices[:index]) - 1}.")

    @property
    def units(self) -> int:
        """Number of core units, those included that the last one does not reach."""
        return len(self.choices) // len(COMPONENTS)

    @cached_property
    def graph(self) -> Graph:
        """The function as data, with β as constants."""
        return self.build()

    def build(self, learnable: bool = False) -> Graph:
        """The function as data; `learnable` makes each β a parameter per channel that starts from its constant."""
        writer = _Writer(learnable)
        output = self._fold(self.units, writer.write, "x", {})
        return Graph(tuple(writer.nodes), (str(output),), tuple(writer.parameters))

    @property
    def formula(self) -> str:
        """Readable text such as `max(x, sigmoid(x))`; `activations.from_source` reads it, but for a `sigmoid(1.0)`."""
        text, _ = self._fold(self.units, _describe, ("x", _ATOM), {})
        return str(text)

    def proposal(self, proposer: str) -> Proposal:
        """The function as a proposal, whose `operation` holds formula and choices."""
        choices = " ".join(map(str, self.choices))
        return Proposal(proposer, graph=self.graph, operation=f"{self.formula}{_MARK}{choices}")

    @staticmethod
    def of(proposal: Proposal) -> Recipe:
        """The recipe that made a proposal.

        Raises:
            ValueError: it was not made by a recipe.
        """
        _, mark, choices = proposal.operation.rpartition(_MARK)
        if not mark:
            raise ValueError(f"the proposal {proposal.operation!r} names no core units: its proposer works otherwise.")
        return Recipe(tuple(map(int, choices.split())))

    def _fold(self, unit: int, combine: Callable[..., Any], x: Any, known: dict[int, Any]) -> Any:
        """Value of a unit (0 is x), where `combine(part, *inputs)` is the value of a part; unused units are skipped."""
        if unit == 0:
            return x
        if unit not in known:
            size = len(COMPONENTS)
            *inputs, first, second, binary = self.choices[(unit - 1) * size : unit * size]
            values = [
                combine(UNARY[unary], None if unary == _CONSTANT else self._fold(source, combine, x, known))
                for source, unary in zip(inputs, (first, second), strict=True)
            ]
            known[unit] = combine(BINARY[binary], *values)
        return known[unit]


class _Writer:
    """Collects the nodes of a graph; equal nodes are one, and operations on numbers alone are done here."""

    def __init__(self, learnable: bool) -> None:
        self.learnable = learnable
        self.nodes: list[Node] = []
        self.known: dict[Node, str] = {}
        self.parameters: list[GraphParameter] = []
        self.scope: dict[str, Any] = {op: partial(self.add, op) for op in OPS}

    def write(self, part: Part, *inputs: Input | None) -> Input:
        """The value of a part, from the values of its inputs."""
        scope = self.scope | dict(zip("ab", inputs, strict=False))
        if part.beta is not None:
            scope["beta"] = self.beta(part.beta)
        value: Input = eval(part.rows, scope)  # an expression of our own table
        return value

    def beta(self, value: float) -> Input:
        if not self.learnable:
            return value
        self.parameters.append(GraphParameter(f"beta{len(self.parameters) + 1}", value, "channel"))
        return self.parameters[-1].name

    def add(self, op: str, *inputs: Input) -> Input:
        if op == "mul" and 1.0 in inputs:
            return inputs[1 - inputs.index(1.0)]
        if not any(isinstance(i, str) for i in inputs):
            return float(implementation(op, "numpy")(*inputs))
        node = Node(op, inputs)
        if node not in self.known:
            self.known[node] = f"v{len(self.nodes)}"
            self.nodes.append(node)
        return self.known[node]


def _describe(part: Part, *inputs: tuple[str, int] | None) -> tuple[str, int]:
    """Formula of a part and how tightly it binds, from those of its inputs."""
    if part is UNARY[0] and inputs[0]:
        return inputs[0]
    given = [i or ("", _ATOM) for i in inputs]
    fenced = [text if level >= need else f"({text})" for (text, level), need in zip(given, part.needs, strict=False)]
    return part.text.format(*fenced), part.level


def every_unit() -> Iterator[Recipe]:
    """All recipes of one unit, in the order of the tables."""
    for first, second, binary in product(range(len(UNARY)), range(len(UNARY)), range(len(BINARY))):
        if second < options((0, 0, first)):
            yield Recipe((0, 0, first, second, binary))


def merge(recipes: Iterable[Recipe]) -> dict[str, Recipe]:
    """One recipe for each hash, the one with the fewest nodes, in the order in which the hashes came up."""
    kept: dict[str, Recipe] = {}
    for recipe in recipes:
        known = kept.setdefault(recipe.graph.hash, recipe)
        if len(recipe.graph.nodes) < len(known.graph.nodes):
            kept[recipe.graph.hash] = recipe
    return kept


@lru_cache(maxsize=1)
def distinct_units() -> dict[str, Recipe]:
    """The functions of one unit, by hash; takes some seconds at the first call."""
    return merge(every_unit())
