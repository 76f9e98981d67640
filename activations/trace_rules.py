"""How ATen operations become rows, where it takes more than passing the inputs on. One small function an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from activations.ops import OPS
from activations.trace import TraceError

if TYPE_CHECKING:
    from activations.trace_reader import Reader

Rule = Callable[["Reader", torch.fx.Node, dict[str, Any]], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function for ATen operations of these names (without `_copy` and overloads)."""

    def add(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return add


def name_of(node: torch.fx.Node) -> str:
    """ATen's name of an operation, without its overload."""
    name: str = node.target._schema.name.split("::")[1]  # type: ignore[union-attr]
    return name.removesuffix("_copy").removeprefix("_")


_RENAMED = {
    "bitwise_not": "logical_not", "bitwise_and": "logical_and", "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor", "conj": "conj", "conj_physical": "conj", "detach": "detach",
}  # fmt: skip


@rule(*_RENAMED, "_conj", "_conj_physical")
def _renamed(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    row = _RENAMED[name_of(node)]
    return r.elementwise(row, *list(a.values())[: OPS[row].arity])


@rule("add", "sub", "rsub")
def _add(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    first, second, alpha = a["self"], a["other"], a.get("alpha", 1)
    name = name_of(node)
    if name == "rsub":
        return r.elementwise("sub", second, first if alpha == 1 else r.elementwise("mul", first, alpha))
    if name == "add" and _all_boolean(node):
        return r.elementwise("logical_or", first, second)
    return r.elementwise(name, first, second if alpha == 1 else r.elementwise("mul", second, alpha))


@rule("mul")
def _mul(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    source = node.args[0].meta["val"]  # type: ignore[union-attr]
    if node.args[1] == 1 and source.dtype == node.meta["val"].dtype and not _all_boolean(node):
        return a["self"]
    return r.elementwise("logical_and" if _all_boolean(node) else "mul", a["self"], a["other"])


def _all_boolean(node: torch.fx.Node) -> bool:
    """Booleans add up to `or` and multiply to `and` in torch; as numbers they would count."""
    return node.meta["val"].dtype == torch.bool


@rule("div")
def _div(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    mode = a.get("rounding_mode")
    if mode == "floor":
        return r.elementwise("floor_divide", a["self"], a["other"])
    quotient = r.elementwise("div", a["self"], a["other"])
    return quotient if mode is None else r.elementwise("trunc", quotient)


@rule("eq", "ne", "lt", "le", "gt", "ge")
def _compare(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    first, second = a["self"], a["other"]
    if not isinstance(first, str) and isinstance(second, str):
        mirrored = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}.get(name, name)
        return r.emit(mirrored, second, first)
    return r.elementwise(name, first, second)


@rule("square")
def _square(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return r.elementwise("pow", a["self"], 2)


@rule("clamp", "clamp_min", "clamp_max")
def _clamp(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    low, high = a.get("min"), a.get("max")
    if low is not None and high is not None:
        return r.elementwise("clamp", a["self"], low, high)
    return r.elementwise("clamp_min", a["self"], low) if high is None else r.elementwise("clamp_max", a["self"], high)


@rule("gelu")
def _gelu(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return r.elementwise("gelu_erf" if a["approximate"] == "none" else "gelu_tanh", a["self"])


@rule("log_sigmoid_forward")
def _log_sigmoid(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return (r.emit("log_sigmoid", a["self"]), r.emit("exp", r.emit("neg", r.emit("abs", a["self"]))))


@rule("_to")
def _to_copy(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    value, dtype = a["self"], a["dtype"]
    if not isinstance(value, str) or dtype is None:
        return value
    source = node.args[0].meta["val"].dtype  # type: ignore[union-attr]
    if dtype in (torch.float16, torch.bfloat16):
        raise TraceError(
            f"the function rounds to {dtype}, which a graph does not carry; let the caller choose the dtype.".replace(
                "torch.", ""
            )
        )
    if dtype.is_floating_point:
        return value if source.is_floating_point else r.emit("to_float", value)
    if dtype.is_complex:
        return (
            value
            if source.is_complex
            else r.emit("to_complex", value if source.is_floating_point else r.emit("to_float", value))
        )
    return r.emit("to_bool" if dtype == torch.bool else "to_int", value)


@rule("where")
def _where(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    condition, first, second = a["condition"], a["self"], a["other"]
    if isinstance(condition, bool):
        return first if condition else second
    return r.elementwise("where", condition, first, second)


@rule("index_put")
def _index_put(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    masks = a["indices"]
    index = node.args[1][0] if len(masks) == 1 else None  # type: ignore[index]
    boolean = isinstance(index, torch.fx.Node) and index.meta["val"].dtype == torch.bool
    whole = boolean and r.rank(index) == r.rank(node) and r.rank(node.args[2]) == 0
    if not whole or a["accumulate"]:
        raise TraceError("the function writes to chosen elements; use torch.where(mask, a, b).")
    return r.emit("where", masks[0], a["values"], r.tensor(node.args[0], a["self"]))


@rule("sum", "mean", "amax", "amin", "prod", "any", "all", "argmax", "argmin", "logsumexp")
def _reduce(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    return _reduced(r, node, a, name)


def _reduced(r: Reader, node: torch.fx.Node, a: dict[str, Any], name: str, *inputs: Any) -> Any:
    source = node.args[0]
    if not _depends_on_x(r, a["self"]):
        raise TraceError(
            f"the function takes the {name} of a parameter or a constant; only tensors made from x are reduced."
        )
    dim = r.axes(a.get("dim"), r.rank(source))
    if name in ("argmax", "argmin") and dim is not None:
        dim = dim[0]  # type: ignore[index]
    value = r.tensor(source, a["self"])
    return r.emit(name, value, *inputs, dim=dim, keepdim=bool(a.get("keepdim", False)))


def _depends_on_x(r: Reader, value: Any) -> bool:
    seen: list[Any] = [value]
    while seen:
        found = seen.pop()
        if found in r.inputs:
            return True
        if isinstance(found, str) and found[1:].isdigit():
            node = r.nodes[int(found[1:])]
            if node.op in ("expand", "arange"):
                return True
            seen += node.inputs
    return False


@rule("var", "std")
def _var(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    correction = a.get("correction", a.get("unbiased", True))
    name = name_of(node)
    return _reduced(r, node, a, name, 1.0 if correction is None else float(correction))


@rule("var_mean")
def _var_mean(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    correction = a.get("correction", a.get("unbiased", True))
    variance = _reduced(r, node, a, "var", 1.0 if correction is None else float(correction))
    return (variance, _reduced(r, node, a, "mean"))


@rule("linalg_vector_norm")
def _norm(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return _reduced(r, node, a, "norm", float(a["ord"]))


@rule("max", "min")
def _extreme(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    if "dim" not in a:
        return _reduced(r, node, a, f"a{name}")
    axis = r.axis(a["dim"], r.rank(node.args[0]))
    index = r.emit(f"arg{name}", a["self"], dim=axis, keepdim=True)
    values = r.emit("gather", a["self"], index, dim=axis)
    if a["keepdim"]:
        return (values, index)
    return (r.emit("squeeze", values, dim=axis), r.emit("squeeze", index, dim=axis))
