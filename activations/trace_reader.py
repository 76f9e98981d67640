"""The second half of tracing: ATen operations become nodes, axes count from the last, sizes come from x."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from activations import trace_moves  # noqa: F401 - registers its rules
from activations.graph import Attribute, Graph, GraphParameter, Input, Node, Shape, Size
from activations.ops import OPS
from activations.trace import TraceError
from activations.trace_rules import RULES
from activations.trace_sizes import Sizes

_IDENTITY = {"alias", "clone", "lift_fresh", "lift", "contiguous", "positive", "resolve_conj", "resolve_neg"}
_SCALAR_OPS = {"sym_size", "sym_numel"}
_CONSTANTS = {"full_like", "full", "scalar_tensor", "zeros", "ones", "zeros_like", "ones_like", "new_zeros", "new_ones",
              "new_full", "empty_like", "empty_permuted", "empty", "empty_strided", "new_empty"}  # fmt: skip


class Reader:
    """Turns one captured FX module into a Graph. `rules` add nodes through `emit` and the small helpers below it."""

    def __init__(
        self, module: torch.fx.GraphModule, inputs: tuple[str, ...], parameters: tuple[GraphParameter, ...]
    ) -> None:
        self.module = module
        self.parameters = parameters
        self.vectors = {p.name for p in parameters if isinstance(p.initial, tuple)}
        self.inputs = tuple(name for name in inputs if name not in {p.name for p in parameters})
        self.placeholders = iter(inputs)
        self.nodes: list[Node] = []
        self.known: dict[Node, str] = {}
        self.values: dict[torch.fx.Node, Any] = {}
        self.scalars: set[Any] = set()  # values without axes that ATen gave axes of length 1
        first = next(iter(module.graph.nodes))
        self.sizes = Sizes(first.meta["val"].shape)
        self.current = first

    def graph(self) -> Graph:
        """Read every FX node; drop what the output does not need."""
        outputs: list[Any] = []
        for node in self.module.graph.nodes:
            self.current = node
            if node.op == "placeholder":
                self.values[node] = next(self.placeholders)
            elif node.op == "get_attr":
                self.values[node] = self._constant(getattr(self.module, node.target))
            elif node.op == "output":
                found = node.args[0]
                outputs = [self._output(n) for n in (found if isinstance(found, tuple | list) else [found])]
            else:
                self.values[node] = self._read(node)
        return _drop_unused(self.nodes, tuple(outputs), self.parameters, self.inputs)

    def emit(self, op: str, *inputs: Input, **attributes: Attribute) -> str:
        """Add a node (or find the same one) and return the name of its value."""
        node = Node(op, tuple(inputs), tuple(sorted(attributes.items())))
        if node not in self.known:
            OPS[op].check(node)
            self.known[node] = f"v{len(self.nodes)}"
            self.nodes.append(node)
        return self.known[node]

    def arguments(self, node: torch.fx.Node) -> dict[str, Any]:
        """The FX node's arguments by their names in the ATen schema; tensors as names of values, sizes as Size."""
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        given = dict(zip([a.name for a in schema], node.args, strict=False)) | dict(node.kwargs)
        found: dict[str, Any] = {
            a.name: given.get(a.name, a.default_value if a.has_default_value() else None) for a in schema
        }
        return {name: self.value(value) for name, value in found.items()}

    def value(self, argument: Any) -> Any:
        """An FX argument as an input of ours."""
        if isinstance(argument, torch.fx.Node):
            return self.values[argument]
        if isinstance(argument, list | tuple):
            return [self.value(a) for a in argument]
        if isinstance(argument, torch.SymInt | torch.SymFloat):
            return self.sizes.read(argument)
        return argument

    def axes(self, dim: Any, rank: int) -> Attribute:
        """Axes counted from the last, sorted, None for all of them."""
        if dim is None or dim == []:
            return None
        chosen = sorted(d if d < 0 else d - rank for d in (dim if isinstance(dim, list) else [dim]))
        return None if len(chosen) == rank else tuple(chosen)

    def axis(self, dim: int, rank: int) -> int:
        """One axis, counted from the last."""
        return dim if dim < 0 else dim - rank

    def shape(self, sizes: Any) -> Shape:
        """A list of sizes as the shape of x with another tail."""
        return self.sizes.shape(sizes)

    def tensor(self, argument: Any, value: Any) -> str:
        """The value as a tensor: a number that stands for a filled tensor gets that tensor's shape."""
        if isinstance(value, str):
            return value
        meta = argument.meta["val"]
        filled = self.emit("expand", value, shape=self.shape(list(meta.shape)))
        if meta.is_floating_point():
            return filled
        return self.emit(
            "to_complex" if meta.is_complex() else "to_bool" if meta.dtype == torch.bool else "to_int", filled
        )

    def rank(self, argument: Any) -> int:
        """Number of axes of an FX argument."""
        return len(argument.meta["val"].shape)

    def _read(self, node: torch.fx.Node) -> Any:
        if node.target is operator.getitem:
            return self.values[node.args[0]][node.args[1]]  # type: ignore[index]
        value = node.meta.get("val")
        if isinstance(value, int | float | torch.SymInt | torch.SymFloat):
            return self.sizes.read(value)
        if not hasattr(node.target, "_schema"):
            raise TraceError(f"the operation {node.target} is not in the table of operations.")
        name = node.target._schema.name.split("::")[1].removesuffix("_copy")
        arguments = self.arguments(node)
        self._refuse_whole_vectors(name, node)
        if name in _IDENTITY:
            return next(iter(arguments.values()))
        if name in _CONSTANTS:
            return self._filled(name, arguments)
        rule: Callable[..., Any] | None = RULES.get(name)
        if rule is not None:
            return rule(self, node, arguments)
        if name in OPS and not OPS[name].attributes:
            return self.elementwise(name, *list(arguments.values())[: OPS[name].arity])
        raise TraceError(
            f"the operation {name!r} is not in the table of operations; write it with others or add a row to OPS."
        )

    def elementwise(self, op: str, *inputs: Any) -> Any:
        """A pointwise node; folded when it only has numbers, with tensors where a number's shape would change the
        result.
        """
        if any(i is None for i in inputs):
            raise TraceError(f"the operation {op!r} is called without an argument that it needs.")
        if not any(isinstance(i, str) for i in inputs):
            return self._fold(op, inputs)
        given = [
            self._widened(argument, i)
            for argument, i in zip(_tensor_arguments(self.current, inputs), inputs, strict=True)
        ]
        return self.emit(op, *self._as_floats(op, given))

    def _widened(self, argument: Any, value: Any) -> Any:
        """A filled tensor that stretches the result keeps its shape; another is a mere number."""
        if isinstance(value, str) or not isinstance(argument, torch.fx.Node):
            return value
        meta = argument.meta.get("val")
        if not isinstance(meta, torch.Tensor) or meta.ndim == 0:
            return value
        others = [a.meta["val"].shape for a in self.current.all_input_nodes if isinstance(self.values[a], str)]
        shape = torch.broadcast_shapes(*others) if others else ()
        return value if tuple(shape) == tuple(self.current.meta["val"].shape) else self.tensor(argument, value)

    def _as_floats(self, op: str, inputs: list[Any]) -> list[Any]:
        """torch's division and functions of integers give floats of the default dtype; ours are of the dtype of x."""
        result = self.current.meta["val"]
        if not isinstance(result, torch.Tensor) or not result.is_floating_point() or op in ("to_float", "where"):
            return inputs
        tensors = [a for a in self.current.all_input_nodes if isinstance(a.meta.get("val"), torch.Tensor)]
        if any(t.meta["val"].is_floating_point() or t.meta["val"].is_complex() for t in tensors):
            return inputs
        return [self.emit("to_float", i) if isinstance(i, str) else i for i in inputs]

    def _fold(self, op: str, inputs: tuple[Any, ...]) -> Any:
        from activations.codegen import implementation

        if any(isinstance(i, Size) for i in inputs):
            raise TraceError(
                f"the function computes {op!r} on a size as a tensor; use Python's arithmetic on x.shape[-1]."
            )
        like = {"like": torch.zeros((), dtype=torch.float64)} if OPS[op].like else {}
        result = implementation(op, "torch")(
            *(torch.tensor(i, dtype=torch.float64 if isinstance(i, float) else None) for i in inputs), **like
        )
        number: bool | int | float = result.item()
        return number

    def _filled(self, name: str, arguments: dict[str, Any]) -> Any:
        if name.startswith(("zeros", "new_zeros", "empty", "new_empty")):
            return 0.0
        if name.startswith(("ones", "new_ones")):
            return 1.0
        return arguments["s"] if name == "scalar_tensor" else arguments["fill_value"]

    def _constant(self, tensor: torch.Tensor) -> Any:
        held = getattr(tensor, "constant", None)
        tensor = tensor if held is None else held
        if tensor.numel() != 1:
            raise TraceError(
                f"the function holds a constant tensor of shape {tuple(tensor.shape)}; write Python floats, "
                "or declare them with Parameter((1.0, 2.0, ...)) and use them one at a time."
            )
        return tensor.item()

    def _refuse_whole_vectors(self, name: str, node: torch.fx.Node) -> None:
        if name in ("select", "unbind", *_IDENTITY):
            return
        for argument in node.all_input_nodes:
            if self.values.get(argument) in self.vectors:
                raise TraceError(
                    f"the function uses the vector {self.values[argument]!r} as a whole; "
                    "use its coefficients: c[0], c[1]."
                )

    def _output(self, node: Any) -> str:
        return self.tensor(node, self.values[node])


def _tensor_arguments(node: torch.fx.Node, inputs: tuple[Any, ...]) -> list[Any]:
    """The FX arguments that the inputs came from, in order; None where the rule made an input itself."""
    given = [*node.args, *node.kwargs.values()][: len(inputs)]
    return [*given, *[None] * (len(inputs) - len(given))]


def _drop_unused(
    nodes: list[Node], outputs: tuple[str, ...], parameters: tuple[GraphParameter, ...], inputs: tuple[str, ...]
) -> Graph:
    needed: set[str] = set(outputs)
    for index in reversed(range(len(nodes))):
        if f"v{index}" in needed:
            needed |= {i for i in nodes[index].inputs if isinstance(i, str)}
    if inputs == ("x",) and "x" not in needed:
        raise TraceError("the function ignores x: its result is the same for every input.")
    names = {name: name for name in (*inputs, *(p.name for p in parameters))}
    kept: list[Node] = []
    for index, node in enumerate(nodes):
        if f"v{index}" in needed:
            names[f"v{index}"] = f"v{len(kept)}"
            kept.append(
                Node(node.op, tuple(names[i] if isinstance(i, str) else i for i in node.inputs), node.attributes)
            )
    return Graph(tuple(kept), tuple(names[o] for o in outputs), parameters, inputs)
