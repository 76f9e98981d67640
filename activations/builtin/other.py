"""Hand-designed functions that are no gates: algebraic sigmoids and rectifiers, bumps, logarithms."""

from __future__ import annotations

from activations.builtin.lazy import Tensor, torch
from activations.registry import register

CARLILE = (
    "Carlile, Delamarter, Kinney, Marti, Whitney: Improving Deep Learning by Inverse Square Root Linear Units "
    "(ISRLUs), 2017, arXiv 1710.09967; alpha = 1"
)
UNARY = "among the unary functions of Ramachandran, Zoph, Le, 2017, arXiv 1710.05941"


@register(
    "squareplus",
    formula="(x + sqrt(x**2 + 4)) / 2",
    reference="Barron: Squareplus: A Softplus-Like Algebraic Rectifier, 2021, arXiv 2112.11687; b = 4",
)
def squareplus(x: Tensor) -> Tensor:
    return (x + torch.sqrt(x**2 + 4)) / 2


@register(
    "bent-identity",
    formula="x + (sqrt(x**2 + 1) - 1) / 2",
    reference="common in lists of activation functions; we know of no paper that introduced it",
)
def bent_identity(x: Tensor) -> Tensor:
    return x + (torch.sqrt(x**2 + 1) - 1) / 2


@register("isru", formula="x / sqrt(1 + x**2)", reference=CARLILE)
def isru(x: Tensor) -> Tensor:
    return x * torch.rsqrt(1 + x**2)


@register("isrlu", formula="where(x >= 0, x, x / sqrt(1 + x**2))", reference=CARLILE)
def isrlu(x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * torch.rsqrt(1 + x**2))


@register(
    "smelu",
    formula="where(x >= 1, x, where(x <= -1, 0 * x, (x + 1)**2 / 4))",
    reference="Shamir, Lin, Coviello: Smooth Activations and Reproducibility in Deep Networks, 2020, "
    "arXiv 2010.09931; beta = 1",
)
def smelu(x: Tensor) -> Tensor:
    return torch.where(x >= 1, x, torch.square(torch.clamp(x, -1, 1) + 1) / 4)


@register(
    "serlu",
    formula="1.07862 * where(x >= 0, x, 2.90427 * x * exp(x))",
    reference="Zhang, Li: Effectiveness of Scaled Exponentially-Regularized Linear Units (SERLUs), 2018, "
    "arXiv 1807.10117",
)
def serlu(x: Tensor) -> Tensor:
    return 1.07862 * torch.where(x >= 0, x, 2.90427 * x * torch.exp(torch.clamp(x, max=0)))


@register(
    "penalized-tanh",
    formula="where(x > 0, tanh(x), 0.25 * tanh(x))",
    reference="Xu, Huang, Li: Revise Saturated Activation Functions, 2016, arXiv 1602.05980",
)
def penalized_tanh(x: Tensor) -> Tensor:
    return torch.where(x > 0, torch.tanh(x), 0.25 * torch.tanh(x))


@register(
    "sqnl",
    formula="where(abs(x) >= 2, sign(x), x - x * abs(x) / 4)",
    reference="Wuraola, Patel: SQNL: A New Computationally Efficient Activation Function, IJCNN 2018",
)
def sqnl(x: Tensor) -> Tensor:
    within = torch.clamp(x, -2, 2)
    return within - within * torch.abs(within) / 4


@register(
    "nlrelu",
    formula="log(1 + max(x, 0))",
    reference="Liu et al.: Natural-Logarithm-Rectified Activation Function in Convolutional Neural Networks, 2019, "
    "arXiv 1908.03682; beta = 1",
)
def nlrelu(x: Tensor) -> Tensor:
    return torch.log1p(torch.relu(x))


@register("arctan", formula="atan(x)", reference=UNARY, aliases=["atan"])
def arctan(x: Tensor) -> Tensor:
    return torch.atan(x)


@register("arcsinh", formula="asinh(x)", reference=UNARY, aliases=["asinh"])
def arcsinh(x: Tensor) -> Tensor:
    return torch.asinh(x)


@register("erf", formula="erf(x)", reference=UNARY)
def erf(x: Tensor) -> Tensor:
    return torch.erf(x)


@register(
    "gaussian",
    formula="exp(-x**2)",
    reference="Broomhead, Lowe: Multivariable Functional Interpolation and Adaptive Networks, Complex Systems 1988",
)
def gaussian(x: Tensor) -> Tensor:
    return torch.exp(-(x**2))


@register("absolute", formula="abs(x)", reference=UNARY, aliases=["abs"])
def absolute(x: Tensor) -> Tensor:
    return torch.abs(x)
