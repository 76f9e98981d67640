"""The first half of tracing: run a function under make_fx and the watch, and get ATen operations of the kinds that
rows know.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

from activations.trace import TraceError

_aten = torch.ops.aten

_KEPT = (
    "gelu", "silu", "softplus", "mish", "hardswish", "hardsigmoid", "log_sigmoid_forward", "sinc", "threshold", "elu",
    "leaky_relu", "hardtanh", "logaddexp", "hypot", "copysign", "xlogy", "any", "all", "var", "var_mean", "std",
    "logsumexp", "linalg_vector_norm", "roll", "select_scatter", "where",
)  # fmt: skip
"""ATen operations that are rows of ours, though core ATen would take them apart: native kernels are faster and exact at
the limits.
"""

_TAKEN_APART = (
    _aten.native_layer_norm, _aten.native_group_norm, _aten.std_mean, _aten.celu, _aten._prelu_kernel,
    _aten.silu_backward, _aten.mish_backward, _aten.hardswish_backward, _aten.hardsigmoid_backward, _aten.elu_backward,
    _aten.softplus_backward, _aten.gelu_backward, _aten.leaky_relu_backward, _aten.hardtanh_backward,
    _aten.threshold_backward, _aten.log_sigmoid_backward, _aten.tanh_backward, _aten.sigmoid_backward,
    _aten._prelu_kernel_backward, _aten._softmax_backward_data, _aten._log_softmax_backward_data,
)  # fmt: skip
"""ATen operations that core ATen keeps whole and that are no rows of ours."""

_RANDOM = {
    "rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "bernoulli", "bernoulli_",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu", "multinomial",
    "gumbel_softmax", "poisson", "normal", "normal_", "uniform_", "exponential_", "cauchy_", "log_normal_",
    "geometric_", "random_", "empty", "empty_like", "new_empty",
}  # fmt: skip
_READS = {
    "numpy", "tolist", "item", "__array__", "__float__", "__int__", "__index__", "__complex__", "data_ptr", "nonzero",
    "unique", "masked_select", "allclose", "equal", "storage", "untyped_storage", "__dlpack__", "is_nonzero",
}  # fmt: skip

_FOREIGN_TENSOR = (
    "the function uses a tensor from outside (made before the call, or a torch module's weight): write a constant as a "
    "Python number and a learnable one as an argument, def f(x, *, beta=Parameter(1.0))."
)
_OWN_GRADIENT = (
    "the function defines its own gradient (torch.autograd.Function), which a graph does not carry; use x.detach()."
)


@lru_cache(maxsize=1)
def _decompositions() -> dict[Any, Any]:
    from torch._decomp import core_aten_decompositions, get_decompositions

    kept = {f"aten::{name}" for name in _KEPT}
    table = {op: rule for op, rule in core_aten_decompositions().items() if op._schema.name not in kept}
    return table | dict(get_decompositions(_TAKEN_APART))


class _Watch(TorchFunctionMode):
    """Refuses, by name and before it happens, what would vanish from a graph."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", str(func))
        if name in _RANDOM:
            raise TraceError(
                f"the function draws random or unset numbers ({name}); an activation gives the same result every time."
            )
        if name == "__bool__":
            raise TraceError("the function branches on the tensor's values; use torch.where(condition, a, b).")
        if name in _READS:
            raise TraceError(
                f"the function reads numbers out of the tensor ({name}); use tensor operations such as torch.where."
            )
        if name in ("no_grad", "_set_grad_enabled", "set_grad_enabled") or not torch.is_grad_enabled():
            raise TraceError("the function uses torch.no_grad, which a graph does not carry; write x.detach().")
        if name in ("requires_grad_", "register_hook", "backward"):
            raise TraceError(f"the function uses {name}, which a graph does not carry.")
        if name == "__get__" and getattr(func, "__self__", None) is torch.Tensor.data:
            return args[0].detach()
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise TraceError(_OWN_GRADIENT)

    from torch._functorch import autograd_function

    custom = mock.patch.object(autograd_function, "custom_function_call", refuse)
    with custom, mock.patch.object(torch.autograd.Function, "apply", refuse), _Watch():
        yield


def capture(call: Callable[..., Any], examples: list[Any], watch: bool = True) -> torch.fx.GraphModule:
    """Trace `call(*examples)` with symbolic sizes into functional ATen operations; `watch` refuses what an author may
    not do.
    """
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    def watched(*values: Any) -> Any:
        with torch.enable_grad(), _watched() if watch else contextlib.nullcontext():
            return call(*values)

    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            return make_fx(
                functionalize(watched, remove="mutations_and_views"),
                decomposition_table=_decompositions(),
                tracing_mode="symbolic",
            )(*examples)
    except TraceError:
        raise
    except (Exception, SystemExit) as error:
        raise _explain(error) from error


def _explain(error: BaseException) -> TraceError:
    for cause in _causes(error):
        if isinstance(cause, TraceError):
            return cause
    kind = type(error).__name__
    text = str(error).split("\n")[0].rstrip(".")
    if isinstance(error, SystemExit):
        return TraceError(f"the function raised SystemExit: {text or 'no message'}.")
    if "convert all Tensors to FakeTensors" in text:
        return TraceError(_FOREIGN_TENSOR)
    if kind in ("GuardOnDataDependentSymNode", "DataDependentOutputException", "DynamicOutputShapeException"):
        return TraceError(
            "the function branches on the tensor's values or selects elements by them; "
            "use torch.where(condition, a, b)."
        )
    if "autograd.Function" in text or "custom_function_call" in text:
        return TraceError(_OWN_GRADIENT)
    return TraceError(f"the function cannot be traced ({kind}: {text}).")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
