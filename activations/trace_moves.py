"""Rules for ATen operations that move, sort, cut, join or Fourier-transform. Shapes and axes are told from the end of
x's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from activations.trace import TraceError
from activations.trace_rules import name_of, rule

if TYPE_CHECKING:
    from activations.trace_reader import Reader

_END = 2**62
"""ATen writes 'to the end' of a slice as a number beyond this."""


@rule("_softmax", "_log_softmax", "cumsum", "cumprod")
def _along(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    return r.emit(name, r.tensor(node.args[0], a["self"]), dim=r.axis(a["dim"], r.rank(node.args[0])))


@rule("sort")
def _sort(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    options = {"dim": r.axis(a["dim"], r.rank(node.args[0])), "descending": bool(a["descending"])}
    return (r.emit("sort", a["self"], **options), r.emit("argsort", a["self"], **options))


@rule("roll")
def _roll(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    if not a["dims"]:
        raise TraceError("the function rolls the flattened tensor; name the axis: torch.roll(x, 1, dims=-1).")
    dims = tuple(r.axis(d, r.rank(node.args[0])) for d in a["dims"])
    return r.emit("roll", a["self"], shifts=tuple(a["shifts"]), dims=dims)


@rule("flip")
def _flip(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return r.emit("flip", a["self"], dims=tuple(r.axis(d, r.rank(node.args[0])) for d in a["dims"]))


@rule("gather", "scatter", "scatter_add")
def _gather(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    inputs = [r.tensor(node.args[0], a["self"]), a["index"]]
    if name != "gather":
        inputs.append(a.get("src", a.get("value")))
    return r.emit(name, *inputs, dim=r.axis(a["dim"], r.rank(node.args[0])))


def _bounds(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    axis = r.axis(a["dim"], r.rank(node.args[0]))
    start = 0 if a["start"] is None else a["start"]
    end = a["end"]
    if end is None or (isinstance(end, int) and end > _END):
        end = r.sizes.read(node.args[0].meta["val"].shape[axis])  # type: ignore[union-attr]
    return start, end, {"dim": axis, "step": a["step"]}


@rule("slice")
def _slice(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    start, end, options = _bounds(r, node, a)
    whole = r.sizes.read(node.args[0].meta["val"].shape[options["dim"]])  # type: ignore[union-attr]
    if start == 0 and end == whole and options["step"] == 1:
        return a["self"]
    return r.emit("slice", r.tensor(node.args[0], a["self"]), start, end, **options)


@rule("slice_scatter")
def _slice_scatter(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    start, end, options = _bounds(r, node, a)
    inputs = (r.tensor(node.args[0], a["self"]), r.tensor(node.args[1], a["src"]))
    return r.emit("slice_scatter", *inputs, start, end, **options)


@rule("select")
def _select(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    if a["self"] in r.vectors:
        return r.emit("coefficient", a["self"], _index(a["index"], r, node))
    if not isinstance(a["self"], str):
        return a["self"]
    return r.emit("select", a["self"], a["index"], dim=r.axis(a["dim"], r.rank(node.args[0])))


def _index(index: int, r: Reader, node: torch.fx.Node) -> int:
    return index if index >= 0 else index + int(node.args[0].meta["val"].shape[0])  # type: ignore[union-attr]


@rule("unbind")
def _unbind(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    if a["self"] in r.vectors:
        return tuple(r.emit("coefficient", a["self"], i) for i in range(int(node.args[0].meta["val"].shape[0])))  # type: ignore[union-attr]
    raise TraceError("the function takes a tensor apart along an axis (unbind); use reductions or slices.")


@rule("select_scatter")
def _select_scatter(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    inputs = (r.tensor(node.args[0], a["self"]), r.tensor(node.args[1], a["src"]))
    return r.emit("select_scatter", *inputs, a["index"], dim=r.axis(a["dim"], r.rank(node.args[0])))


@rule("copy")
def _copy(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    value = a["src"]
    same = r.rank(node.args[0]) == (r.rank(node.args[1]) if isinstance(node.args[1], torch.fx.Node) else 0)
    return (
        value
        if same or not isinstance(value, str)
        else r.emit("expand", value, shape=r.shape(list(node.meta["val"].shape)))
    )


@rule("cat")
def _cat(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    parts = [r.tensor(n, v) for n, v in zip(node.args[0], a["tensors"], strict=True)]  # type: ignore[arg-type]
    return r.emit("cat", *parts, dim=r.axis(a["dim"], r.rank(node)))


def _stays_scalar(r: Reader, node: torch.fx.Node) -> bool:
    """A tensor without axes that is given axes of length 1 broadcasts as it is; how many axes would depend on the
    rank of x.
    """
    source, result = node.args[0], node.meta["val"]
    value = r.values[source]  # type: ignore[index]
    scalar = r.rank(source) == 0 or value in r.scalars
    if scalar and all(isinstance(length, int) and length == 1 for length in result.shape):
        r.scalars.add(value)
        return True
    return False


@rule("unsqueeze")
def _unsqueeze(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    if not isinstance(a["self"], str) or _stays_scalar(r, node):
        return a["self"]
    return r.emit("unsqueeze", a["self"], dim=r.axis(a["dim"], r.rank(node)))


@rule("squeeze")
def _squeeze(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    if not isinstance(a["self"], str):
        return a["self"]
    value = a["self"]
    if r.rank(node) == 0:
        return r.emit("view", value, shape=r.shape([]))
    rank = r.rank(node.args[0])
    dims = a.get("dim", list(range(rank)))
    shape = node.args[0].meta["val"].shape  # type: ignore[union-attr]
    for axis in sorted(r.axis(d, rank) for d in (dims if isinstance(dims, list) else [dims])):
        if isinstance(shape[axis], int) and shape[axis] == 1:
            value = r.emit("squeeze", value, dim=axis)
    return value


@rule("permute")
def _permute(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    rank = r.rank(node)
    order = [d % rank for d in a["dims"]]
    moved = [i for i, d in enumerate(order) if i != d]
    if not moved:
        return a["self"]
    if len(moved) != 2:
        raise TraceError(
            "the function permutes more than two axes; an activation rarely should: use transpose(-1, -2)."
        )
    return r.emit("transpose", a["self"], dim0=moved[0] - rank, dim1=moved[1] - rank)


@rule("expand", "view", "_unsafe_view", "reshape")
def _reshape(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    name = name_of(node)
    if not isinstance(a["self"], str):
        return a["self"]
    if tuple(node.args[0].meta["val"].shape) == tuple(node.meta["val"].shape) or _stays_scalar(r, node):  # type: ignore[union-attr]
        return a["self"]
    return r.emit("expand" if name == "expand" else "view", a["self"], shape=r.shape(list(node.meta["val"].shape)))


@rule("arange")
def _arange(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    whole = r.emit("arange", a.get("start", 0), a["end"], a.get("step", 1))
    return whole if not node.meta["val"].is_floating_point() else r.emit("to_float", whole)


@rule("_fft_r2c")
def _rfft(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    dims = tuple(r.axis(d, r.rank(node.args[0])) for d in a["dim"])
    if not a["onesided"]:
        return r.emit("fft", r.emit("to_complex", a["self"]), dim=dims, norm=a["normalization"], forward=True)
    return r.emit("rfft", a["self"], dim=dims, norm=a["normalization"])


@rule("_fft_c2r")
def _irfft(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    dims = tuple(r.axis(d, r.rank(node.args[0])) for d in a["dim"])
    return r.emit("irfft", a["self"], a["last_dim_size"], dim=dims, norm=a["normalization"])


@rule("_fft_c2c")
def _fft(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    dims = tuple(r.axis(d, r.rank(node.args[0])) for d in a["dim"])
    return r.emit("fft", a["self"], dim=dims, norm=a["normalization"], forward=bool(a["forward"]))


@rule("view_as_real")
def _view_as_real(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    parts = (r.emit("unsqueeze", r.emit(part, a["self"]), dim=-1) for part in ("real", "imag"))
    return r.emit("cat", *parts, dim=-1)


@rule("view_as_complex")
def _view_as_complex(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    return r.emit("complex", r.emit("select", a["self"], 0, dim=-1), r.emit("select", a["self"], 1, dim=-1))


@rule("value_selecting_reduction_backward")
def _selected_backward(r: Reader, node: torch.fx.Node, a: dict[str, Any]) -> Any:
    raise TraceError("the derivative selects values in a way that the table does not carry.")
