"""The eight functions that "Searching for Activation Functions" found and carried into its transfer table."""

from __future__ import annotations

from typing import Any

from activations.builtin.lazy import Tensor, torch
from activations.graph import Parameter
from activations.registry import register

RAMACHANDRAN = "Ramachandran, Zoph, Le: Searching for Activation Functions, 2017, arXiv 1710.05941"


@register("swish", formula="x * sigmoid(beta * x)", reference=RAMACHANDRAN, origin="searched")
def swish(x: Tensor, *, beta: Any = Parameter(1.0, per="channel")) -> Tensor:
    return x * torch.sigmoid(beta * x)


@register("max-x-sigmoid", formula="max(x, sigmoid(x))", reference=RAMACHANDRAN, origin="searched")
def max_x_sigmoid(x: Tensor) -> Tensor:
    return torch.maximum(x, torch.sigmoid(x))


@register("cos-minus-x", formula="cos(x) - x", reference=RAMACHANDRAN, origin="searched")
def cos_minus_x(x: Tensor) -> Tensor:
    return torch.cos(x) - x


@register("min-x-sin", formula="min(x, sin(x))", reference=RAMACHANDRAN, origin="searched")
def min_x_sin(x: Tensor) -> Tensor:
    return torch.minimum(x, torch.sin(x))


@register("atan-squared-minus-x", formula="atan(x)**2 - x", reference=RAMACHANDRAN, origin="searched")
def atan_squared_minus_x(x: Tensor) -> Tensor:
    return torch.atan(x) ** 2 - x


@register("max-x-tanh", formula="max(x, tanh(x))", reference=RAMACHANDRAN, origin="searched")
def max_x_tanh(x: Tensor) -> Tensor:
    return torch.maximum(x, torch.tanh(x))


@register(
    "sinc-plus-x",
    formula="sinc(x) + x",
    reference=RAMACHANDRAN + "; sinc(x) = sin(pi x) / (pi x) is our reading: the paper names only sinc",
    origin="searched",
)
def sinc_plus_x(x: Tensor) -> Tensor:
    return torch.sinc(x) + x


@register("x-asinh-squared", formula="x * asinh(x)**2", reference=RAMACHANDRAN, origin="searched")
def x_asinh_squared(x: Tensor) -> Tensor:
    return x * torch.asinh(x) ** 2
