"""Functions with parameters trained beside the weights, one set a site or one a channel (Swish is in `searched`)."""

from __future__ import annotations

from typing import Any

from activations.builtin.lazy import Tensor, torch
from activations.graph import Parameter
from activations.registry import register

PADE_NUMERATOR = (0.0335783, 0.505009, 1.652268, 2.007034, 0.929785, 0.151955)
PADE_DENOMINATOR = (0.0, 3.974205, 0.0, 0.300891)
"""Least-squares fit of LeakyReLU on 1,201 even points of [-3, 3]; root mean square error 0.0055."""


@register(
    "prelu",
    formula="where(x > 0, x, slope * x)",
    reference="He, Zhang, Ren, Sun: Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet "
    "Classification, ICCV 2015, arXiv 1502.01852",
)
def prelu(x: Tensor, *, slope: Any = Parameter(0.25, per="channel")) -> Tensor:
    return torch.where(x > 0, x, slope * x)


@register(
    "star-relu",
    formula="scale * max(x, 0)**2 + bias",
    reference="Yu et al.: MetaFormer Baselines for Vision, TPAMI 2024, arXiv 2210.13452",
)
def star_relu(x: Tensor, *, scale: Any = Parameter(0.8944), bias: Any = Parameter(-0.4472)) -> Tensor:
    return scale * torch.square(torch.relu(x)) + bias


@register(
    "snake-trained",
    formula="x + sin(frequency * x)**2 / frequency",
    reference="Ziyin, Hartwig, Ueda: Neural Networks Fail to Learn Periodic Functions and How to Fix It, NeurIPS "
    "2020, arXiv 2006.08195; one frequency a channel, starting at 1",
)
def snake_trained(x: Tensor, *, frequency: Any = Parameter(1.0, per="channel")) -> Tensor:
    return x + torch.sin(frequency * x) ** 2 / frequency


@register(
    "acon-c",
    formula="(p1 - p2) * x * sigmoid(beta * (p1 - p2) * x) + p2 * x",
    reference="Ma, Zhang, Liu, Sun: Activate or Not: Learning Customized Activation, CVPR 2021, arXiv 2009.04759; "
    "p1 = 1, p2 = 0 at the start (Swish) is our choice, because initial values here are not random",
)
def acon_c(
    x: Tensor,
    *,
    p1: Any = Parameter(1.0, per="channel"),
    p2: Any = Parameter(0.0, per="channel"),
    beta: Any = Parameter(1.0, per="channel"),
) -> Tensor:
    difference = (p1 - p2) * x
    return difference * torch.sigmoid(beta * difference) + p2 * x


@register(
    "erf-act",
    formula="x * erf(alpha * exp(beta * x))",
    reference="Biswas, Kumar, Banerjee, Pandey: ErfAct and Pserf: Non-Monotonic Smooth Trainable Activation Functions, "
    "AAAI 2022, arXiv 2109.04386; the initial values 0.75 and one pair a site are our choice",
)
def erf_act(x: Tensor, *, alpha: Any = Parameter(0.75), beta: Any = Parameter(0.75)) -> Tensor:
    # Beyond 80 erf is 1 long since, and exp would overflow into a gradient of 0 * inf.
    return x * torch.erf(alpha * torch.exp(torch.clamp(beta * x, max=80.0)))


@register(
    "pade",
    formula="(a0 + a1*x + a2*x**2 + a3*x**3 + a4*x**4 + a5*x**5) / (1 + abs(b1*x + b2*x**2 + b3*x**3 + b4*x**4))",
    reference="Molina, Schramowski, Kersting: Padé Activation Units: End-to-End Learning of Flexible Activation "
    "Functions in Deep Networks, ICLR 2020, arXiv 1907.06732; the initial coefficients are our fit of LeakyReLU",
    aliases=["pau", "rational"],
)
def pade(
    x: Tensor,
    *,
    numerator: Any = Parameter(PADE_NUMERATOR),
    denominator: Any = Parameter(PADE_DENOMINATOR),
) -> Tensor:
    a, b = numerator, denominator
    top = a[0] + x * (a[1] + x * (a[2] + x * (a[3] + x * (a[4] + x * a[5]))))
    bottom = x * (b[0] + x * (b[1] + x * (b[2] + x * b[3])))
    return top / (1 + torch.abs(bottom))
