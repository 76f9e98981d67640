"""Fused kernels under autocast and inference mode: what was compiled beforehand serves, and results are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from activations import Parameter, fuse
from activations.fused_function import fused_function
from activations.fused_kernels import Kernel
from activations.to_torch import to_torch
from activations.trace import trace

torch.set_num_threads(1)


def gelu_cosine(x: Tensor) -> Tensor:
    return F.gelu(x) * (1 + 0.5 * torch.cos(x))


def line(x: Tensor, *, c: Any = Parameter((0.1, 1.0), per="channel")) -> Tensor:
    return c[0] + c[1] * x * torch.sigmoid(x)


GRAPHS = {"plain": trace(gelu_cosine), "by channel": trace(line)}


@contextmanager
def nothing_compiled() -> Iterator[None]:
    made = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    yield
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == made > 0


def half() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("name", GRAPHS)
def test_kernels_made_by_fuse_serve_every_mode(name: str) -> None:
    activation = to_torch(GRAPHS[name])
    model = nn.Sequential(nn.Conv2d(3, 5, 3), activation)
    x = torch.randn(8, 3, 6, 6)
    model(x)
    for dtype in (torch.float32, torch.bfloat16):
        assert fuse(model, dtype=dtype).reasons == ()
    with nothing_compiled():
        with half():
            trained = model(x)
            trained.float().sum().backward()
        for mode in (torch.no_grad(), torch.inference_mode()):
            with mode:
                plain = model(x)
                fresh = activation(model[0](x).clone())
                assert torch.equal(plain, fresh)
                with half():
                    assert torch.equal(model(x), trained)
        assert torch.equal(model(x), plain)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_kernels_made_in_inference_mode_serve_outside() -> None:
    module = to_torch(trace(lambda x: torch.cos(x) * torch.sigmoid(x)))
    function = module.fused = fused_function(module.graph, "table")
    x = torch.randn(50).bfloat16()
    with torch.inference_mode(), half():
        assert function.prepare("flat", torch.bfloat16, x.device)[0] == ""
        inside = module(x)
    with nothing_compiled():
        leaf = x.clone().requires_grad_()
        outside = module(leaf)
        outside.sum().backward()
    assert torch.equal(inside, outside)


def test_inference_tensors_with_gaps_and_offsets_are_read_in_place() -> None:
    fused, eager = to_torch(GRAPHS["plain"]), to_torch(GRAPHS["plain"])
    fuse(fused)
    with torch.inference_mode():
        x = torch.randn(6, 8)
    for part in (x[2:], x[:, ::2], x.t()):
        with torch.no_grad():
            torch.testing.assert_close(fused(part), eager(part))


def test_asking_whether_a_tensor_is_accepted_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    function = fused_function(GRAPHS["by channel"])

    def copied(*_: Any, **__: Any) -> Any:
        raise AssertionError("a copy was made")

    monkeypatch.setattr(torch.Tensor, "contiguous", copied)
    for x in (torch.randn(3, 5, 8)[..., ::2], torch.randn(12)[::2]):
        assert function.accepts(x) == (x.ndim > 1)
        with pytest.raises(AssertionError, match="a copy was made"):
            function.view(x)


def test_seconds_are_those_of_kernels_made_now() -> None:
    graph = trace(lambda x: torch.sin(x) * torch.sigmoid(x) * x)
    first = to_torch(graph)
    model = nn.Sequential(first, to_torch(graph))
    made = fuse(model)
    assert (made.fused, made.compile_seconds > 0) == (2, True)
    assert first.fused is not None
    kernels = first.fused._kernels.values()
    assert made.compile_seconds == sum(kernel.seconds for kernel in kernels)
    assert fuse(model).compile_seconds == 0.0


def test_where_torch_is_silent_on_transforms_modules_stay_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    module = to_torch(GRAPHS["plain"], "mine")
    fuse(module)
    function, x = module.fused, torch.randn(4)
    assert function is not None
    assert function.accepts(x)
    monkeypatch.delattr(torch._C, "_are_functorch_transforms_active")
    assert not function.accepts(x)
    report = fuse(module)
    assert (report.fused, module.fused) == (0, None)
    assert report.reasons == ("1 of mine: this torch does not say whether a transform of torch.func is at work.",)


def test_a_torch_that_cannot_filter_guards_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def older(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Unexpected optimization option guard_filter_fn, known options are ['a', 'b']")

    monkeypatch.setattr(torch, "compile", older)
    report = fuse(to_torch(trace(lambda x: torch.cos(x) * x + 0.25), "mine"))
    assert report.fused == 0
    assert report.reasons[0].endswith("cannot leave out guards of a kernel (guard_filter_fn): install a later one.")


def test_failures_name_every_kernel_that_went_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    module = to_torch(trace(lambda x: torch.cos(x) * x + 0.5))
    fuse(module)
    assert module.fused is not None
    assert module.fused.failures() == ()

    def broken(*_: Any) -> Any:
        raise RuntimeError("no such thing")

    kernel: Kernel = module.fused.kernel("gradients", "flat", torch.float32, torch.device("cpu"))
    monkeypatch.setattr(kernel, "_compiled", broken)
    x = torch.randn(9, requires_grad=True)
    module(x).sum().backward()
    assert module.fused.failures() == (
        "gradients of torch.float32: torch.compile failed (RuntimeError: no such thing).",
    )
