"""What `fuse` reports, and what it does where nothing can be compiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import activations
from activations import fuse
from activations.fused_kernels import Kernel
from activations.to_torch import to_torch
from activations.trace import trace

torch.set_num_threads(1)

PLAIN = trace(lambda x: F.gelu(x) * (1 + 0.5 * torch.sinc(x)))


def test_random_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    fuse(to_torch(trace(lambda x: torch.sin(x) * x)))
    assert torch.equal(torch.get_rng_state(), state)


def test_report_counts_every_kind_of_site() -> None:
    names = ("relu", "gelu", "identity", "turbulent", "turbulent", "gelu-sinc-perturbation")
    model = nn.Sequential(nn.ReLU(), *(activations.get(name).module() for name in names))
    report = fuse(model)
    assert (report.fused, report.native, report.eager) == (1, 3, 2)
    assert report.reasons == ("2 of turbulent: it is not pointwise, and fusing across elements is not done.",)
    double = fuse(to_torch(PLAIN, "mine"), dtype=torch.float64)
    assert (double.fused, double.reasons) == (0, ("1 of mine: there are no kernels for torch.float64 on cpu.",))
    with pytest.raises(ValueError, match="bf16 is 'arithmetic', 'table' or 'auto', not 'tables'"):
        fuse(model, bf16="tables")  # type: ignore[arg-type]


def test_without_a_compiler_modules_stay_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import exc

    def refuse(*_: Any, **__: Any) -> Any:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(torch, "compile", refuse)
    module = to_torch(trace(lambda x: x * torch.cos(x)), "mine")
    report = fuse(module)
    assert (report.fused, report.eager, module.fused) == (0, 1, None)
    assert report.reasons[0].startswith("1 of mine: there is no C++ compiler")


def test_a_kernel_that_fails_later_goes_on_in_torch() -> None:
    kernel = Kernel(lambda x: x + 1, [torch.zeros(4)])
    assert kernel.reason == ""

    def broken(*_: Any) -> Any:
        raise RuntimeError("no such thing\nand more")

    kernel._compiled = broken
    assert torch.equal(kernel(torch.zeros(3)), torch.ones(3))
    assert kernel.reason == "torch.compile failed (RuntimeError: no such thing)."
