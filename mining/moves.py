"""Moves on graphs: what mutation and crossover can do to a function. Each gives the new graph and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from activations import Graph, GraphError
from activations.graph import Node
from activations.to_python import to_formula
from mining.draft import UNARY, Build, Draft, Edit, bump, numbers, part, row

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")


class Moved(NamedTuple):
    """A graph and, in a few words, how it was made."""

    graph: Graph
    phrase: str


Move = Callable[[Graph, "np.random.Generator"], Moved | None]
"""None where the graph offers nothing to work on."""
Cross = Callable[[Graph, Graph, "np.random.Generator"], Moved | None]

BOUNDED = ("sin", "cos", "sinc", "tanh", "bump", "sin_bump", "sigmoid")
"""Factors and terms of a perturbation; the paper's winners are a known function with one of the first three."""
BINARY = ("add", "sub", "mul", "maximum", "minimum")
_ARITHMETIC = ("add", "sub", "mul", "div")
_COMPARISONS = ("gt", "ge", "lt", "le")
_TUNABLE = {
    "add": (0, 1), "sub": (0, 1), "mul": (0, 1), "div": (0, 1), "maximum": (1,), "minimum": (1,), "clamp_min": (1,),
    "clamp_max": (1,), "clamp": (1, 2), "hardtanh": (1, 2), "leaky_relu": (1,), "elu": (1,), "where": (1, 2),
    "gt": (1,), "ge": (1,), "lt": (1,), "le": (1,),
}  # fmt: skip
"""Places of the numbers that may be perturbed."""
_NICE = (0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.75, 1.5, 2.0, 3.0)
"""What new constants are drawn from; factors of 1 do nothing."""
_SPOKEN = {"gelu_erf": "gelu", "gelu_tanh": "gelu", "mul": "*", "add": "+", "sub": "-", "div": "/", "pow": "power"}


def replace(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Put another operation of the same number of inputs in the place of one."""
    real = numbers(graph)
    places = [i for i, node in enumerate(graph.nodes) if _choices(node, f"v{i}" in real)]
    if not places:
        return None
    index = _pick(places, stream)
    node = graph.nodes[index]
    new = _pick(_choices(node, True), stream)

    def edit(draft: Draft, node: Node) -> str:
        if new in UNARY:
            return UNARY[new](draft, next(i for i in node.inputs if isinstance(i, str)))
        return draft.add(new, *node.inputs)

    return _edited(graph, f"v{index}", edit, f"replace {_say(node.op)} by {_say(new)}")


def _choices(node: Node, real: bool) -> list[str]:
    """Names of what may stand in the place of this node."""
    read = sum(isinstance(i, str) for i in node.inputs)
    if node.op in _COMPARISONS:
        return [op for op in _COMPARISONS if op != node.op]
    if not real or node.op in ("where", "to_float"):
        return []
    if node.op in _ARITHMETIC and read == 1:
        return [op for op in _ARITHMETIC if op != node.op and (op != "div" or isinstance(node.inputs[0], str))]
    if read == 2:
        return [op for op in BINARY if op != node.op]
    return [name for name in UNARY if name not in (node.op, _say(node.op))]


def insert(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Put an operation around a value, or around x where one operation reads it."""
    name = _pick(list(UNARY), stream)
    real = numbers(graph)
    return _around(graph, stream, real, UNARY[name], name)


def scale(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Put a factor or a shift on a value, or on x where one operation reads it."""
    op = _pick(["mul", "mul", "add"], stream)
    constant = _constant(stream)
    return _around(graph, stream, numbers(graph), row(op, constant), f"{_say(op)} {constant:g}")


def _around(graph: Graph, stream: np.random.Generator, real: set[str], build: Build, name: str) -> Moved | None:
    """`build` around the value of a node, or around one of its inputs that is x."""
    values = [f"v{i}" for i in range(len(graph.nodes)) if f"v{i}" in real]
    reads = [(f"v{i}", k) for i, n in enumerate(graph.nodes) for k, v in enumerate(n.inputs) if v == "x"]
    reads = [(value, k) for value, k in reads if value in real]
    if not values and not reads:
        return None
    chosen = int(stream.integers(len(values) + len(reads)))
    if chosen < len(values):
        value = values[chosen]
        phrase = f"put {name} on {_formula(part(graph, value), 30)}"
        return _edited(
            graph,
            value,
            lambda draft, node: build(draft, draft.add(node.op, *node.inputs, attributes=node.attributes)),
            phrase,
        )
    value, place = reads[chosen - len(values)]

    def edit(draft: Draft, node: Node) -> str:
        inputs = list(node.inputs)
        inputs[place] = build(draft, str(inputs[place]))
        return draft.add(node.op, *inputs, attributes=node.attributes)

    return _edited(graph, value, edit, f"put {name} on the x of {_say(graph.nodes[int(value[1:])].op)}")


def delete(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Leave out an operation: one of its inputs takes its place."""
    real = numbers(graph)
    choices = [
        (i, k)
        for i, node in enumerate(graph.nodes)
        for k, value in enumerate(node.inputs)
        if f"v{i}" in real and value in real
    ]
    if not choices:
        return None
    index, place = _pick(choices, stream)
    return _edited(graph, f"v{index}", lambda _, node: str(node.inputs[place]), f"drop {_say(graph.nodes[index].op)}")


def wrap(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """f becomes g(f), x g(f) or f g(x)."""
    name, form = _pick(list(UNARY), stream), int(stream.integers(3))
    draft = Draft()
    f = draft.copy(graph)
    if form == 2:
        return Moved(draft.finish(draft.add("mul", f, UNARY[name](draft, "x"))), f"multiply by {name}(x)")
    g = UNARY[name](draft, f)
    if form == 1:
        return Moved(draft.finish(draft.add("mul", "x", g)), f"turn f into x * {name}(f)")
    return Moved(draft.finish(g), f"turn f into {name}(f)")


def swap(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Exchange the two inputs of a difference or a quotient, or the two branches of a choice."""
    real = numbers(graph)
    places = [i for i, n in enumerate(graph.nodes) if n.op in ("sub", "div", "where") and f"v{i}" in real]
    if not places:
        return None
    index = _pick(places, stream)

    def edit(draft: Draft, node: Node) -> str:
        *first, a, b = node.inputs
        return draft.add(node.op, *first, b, a)

    return _edited(graph, f"v{index}", edit, f"swap the inputs of {_say(graph.nodes[index].op)}")


def tune(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """Change one constant: mostly by a log-normal factor, sometimes its sign, sometimes to a round number."""
    places = [
        (i, k)
        for i, node in enumerate(graph.nodes)
        for k in _TUNABLE.get(node.op, ())
        if isinstance(node.inputs[k], int | float) and not isinstance(node.inputs[k], bool)
    ]
    if not places:
        return None
    index, place = _pick(places, stream)
    old = float(graph.nodes[index].inputs[place])  # type: ignore[arg-type]
    new = _perturbed(old, stream)

    def edit(draft: Draft, node: Node) -> str:
        inputs = [new if k == place else value for k, value in enumerate(node.inputs)]
        return draft.add(node.op, *inputs, attributes=node.attributes)

    return _edited(graph, f"v{index}", edit, f"change {old:g} to {new:g}")


def ripple(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """f becomes f + c g(kx) or f (1 + c g(kx)), g bounded: the form of the functions that the paper found."""
    draft = Draft()
    f, g = draft.copy(graph), _perturbation(draft, stream)
    term = draft.add("mul", g, _constant(stream, signed=True))
    if stream.random() < 0.5:
        return Moved(draft.finish(draft.add("add", f, term)), f"add {_formula(draft.finish(term), 40)}")
    factor = draft.add("add", term, 1)
    return Moved(draft.finish(draft.add("mul", f, factor)), f"multiply by {_formula(draft.finish(factor), 40)}")


def _perturbation(draft: Draft, stream: np.random.Generator) -> str:
    name, speed = _pick(BOUNDED, stream), _pick((1.0, 1.0, 0.5, 1.5, 2.0, 3.0), stream)
    value = "x" if speed == 1 else draft.add("mul", "x", speed)
    if name == "sin_bump":
        return draft.add("mul", draft.add("sin", value), bump(draft, draft.add("mul", "x", 0.5)))
    return UNARY[name](draft, value)


def exchange(a: Graph, b: Graph, stream: np.random.Generator) -> Moved | None:
    """A part of b takes the place of a part of a."""
    own, other = numbers(a), numbers(b)
    places = [f"v{i}" for i in range(len(a.nodes)) if f"v{i}" in own]
    gifts = [f"v{i}" for i in range(len(b.nodes)) if f"v{i}" in other]
    if not places or not gifts:
        return None
    place, gift = _pick(places, stream), _pick(gifts, stream)
    phrase = f"put {_formula(part(b, gift), 40)} in place of {_formula(part(a, place), 30)}"
    return _edited(a, place, lambda draft, _: draft.copy(b, gift), phrase)


def join(a: Graph, b: Graph, stream: np.random.Generator) -> Moved | None:
    """a to the right of 0 and b to the left, their mean, or a times a gate made of b."""
    draft = Draft()
    f, g = draft.copy(a), draft.copy(b)
    form, other = int(stream.integers(3)), _formula(b, 40)
    if form == 0:
        chosen = draft.add("where", draft.add("gt", "x", 0), f, g)
        return Moved(draft.finish(chosen), f"take {other} to the left of 0")
    if form == 1:
        mean = draft.add("mul", draft.add("add", f, g), 0.5)
        return Moved(draft.finish(mean), f"take the mean with {other}")
    return Moved(draft.finish(draft.add("mul", f, draft.add("sigmoid", g))), f"multiply by sigmoid({other})")


def compose(a: Graph, b: Graph, stream: np.random.Generator) -> Moved | None:
    """a of b; None where a reads the size or the axes of x, which b need not keep in the way that a means."""
    if not a.pointwise:
        return None
    draft = Draft()
    return Moved(draft.finish(draft.copy(a, x=draft.copy(b))), f"put in {_formula(b, 40)} for x")


MUTATIONS: tuple[tuple[Move, float], ...] = (
    (replace, 0.2), (insert, 0.1), (scale, 0.1), (delete, 0.12), (wrap, 0.08), (swap, 0.05), (tune, 0.15),
    (ripple, 0.2),
)  # fmt: skip
"""Moves on one graph and how often each is tried."""
CROSSOVERS: tuple[tuple[Cross, float], ...] = ((exchange, 0.6), (join, 0.25), (compose, 0.15))


def draw(weighted: Sequence[tuple[Item, float]], stream: np.random.Generator) -> Item:
    """One of the items, by weight."""
    total = sum(weight for _, weight in weighted)
    mark = float(stream.random()) * total
    for item, weight in weighted:
        mark -= weight
        if mark < 0:
            return item
    return weighted[-1][0]


def _pick(items: Sequence[Item], stream: np.random.Generator) -> Item:
    return items[int(stream.integers(len(items)))]


def _edited(graph: Graph, at: str, edit: Edit, phrase: str) -> Moved:
    draft = Draft()
    return Moved(draft.finish(draft.copy(graph, at=at, edit=edit)), phrase)


def _constant(stream: np.random.Generator, signed: bool = False) -> float:
    number = _pick(_NICE, stream)
    return -number if signed and stream.random() < 0.25 else number


def _perturbed(old: float, stream: np.random.Generator) -> float:
    kind = float(stream.random())
    if old == 0:
        return _constant(stream, signed=True)
    if kind < 0.1:
        return -old
    if kind < 0.3:
        return _pick((*_NICE, 1.0), stream) * (1.0 if old > 0 else -1.0)
    return float(f"{old * float(stream.lognormal(0.0, 0.3)):.3g}")


def _say(op: str) -> str:
    return _SPOKEN.get(op, op)


def _formula(graph: Graph, longest: int) -> str:
    try:
        return to_formula(graph, longest)
    except GraphError:
        return f"graph {graph.hash}"
