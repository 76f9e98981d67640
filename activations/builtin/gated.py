"""Functions of the form x * gate(x), smooth relatives of SiLU and Mish."""

from __future__ import annotations

from activations.builtin.lazy import F, Tensor, torch
from activations.registry import register

BASIRAT = "Basirat, Roth: The Quest for the Golden Activation Function, 2018, arXiv 1808.00783"

# Arguments of exp inside another exp or tanh are held within this: the gate has long been 0 or 1 there, while an
# overflow to inf would give a gradient of 0 * inf.
LIMIT = 80.0


@register(
    "tanhexp",
    formula="x * tanh(exp(x))",
    reference="Liu, Di: TanhExp: A Smooth Activation Function with High Convergence Speed for Lightweight Neural "
    "Networks, 2020, arXiv 2003.09855",
    aliases=["telu"],
)
def tanhexp(x: Tensor) -> Tensor:
    return x * torch.tanh(torch.exp(torch.clamp(x, max=LIMIT)))


@register(
    "lisht",
    formula="x * tanh(x)",
    reference="Roy, Manna, Dubey, Chaudhuri: LiSHT: Non-Parametric Linearly Scaled Hyperbolic Tangent Activation "
    "Function for Neural Networks, 2019, arXiv 1901.05894",
)
def lisht(x: Tensor) -> Tensor:
    return x * torch.tanh(x)


@register(
    "phish",
    formula="x * tanh(gelu(x))",
    reference="Naveen: Phish: A Novel Hyper-Optimizable Activation Function, TechRxiv, 2022",
)
def phish(x: Tensor) -> Tensor:
    return x * torch.tanh(F.gelu(x))


@register(
    "logish",
    formula="x * log(1 + sigmoid(x))",
    reference="Zhu et al.: Logish: A New Nonlinear Nonmonotonic Activation Function for Convolutional Neural Network, "
    "Neurocomputing 2021",
)
def logish(x: Tensor) -> Tensor:
    return x * torch.log1p(torch.sigmoid(x))


@register(
    "smish",
    formula="x * tanh(log(1 + sigmoid(x)))",
    reference="Wang, Ren, Wang: Smish: A Novel Activation Function for Deep Learning Methods, Electronics 2022",
)
def smish(x: Tensor) -> Tensor:
    return x * torch.tanh(torch.log1p(torch.sigmoid(x)))


@register(
    "gish",
    formula="x * log(2 - exp(-exp(x)))",
    reference="Kaytan, Aydilek, Yeroğlu: Gish: A Novel Activation Function for Image Classification, Neural Computing "
    "and Applications 2023",
)
def gish(x: Tensor) -> Tensor:
    return x * torch.log1p(-torch.expm1(-torch.exp(torch.clamp(x, max=LIMIT))))


@register(
    "serf",
    formula="x * erf(softplus(x))",
    reference="Nag, Bhattacharyya: SERF: Towards Better Training of Deep Neural Networks Using Log-Softplus ERror "
    "Activation Function, 2021, arXiv 2108.09598",
)
def serf(x: Tensor) -> Tensor:
    return x * torch.erf(F.softplus(x))


@register(
    "golu",
    formula="x * exp(-exp(-x))",
    reference="Das et al.: Gompertz Linear Units: Leveraging Asymmetry for Enhanced Learning Dynamics, 2025, "
    "arXiv 2502.03654",
)
def golu(x: Tensor) -> Tensor:
    return x * torch.exp(-torch.exp(-torch.clamp(x, min=-LIMIT)))


@register(
    "dsilu",
    formula="sigmoid(x) * (1 + x * (1 - sigmoid(x)))",
    reference="Elfwing, Uchibe, Doya: Sigmoid-Weighted Linear Units for Neural Network Function Approximation in "
    "Reinforcement Learning, Neural Networks 2018, arXiv 1702.03118",
)
def dsilu(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * torch.sigmoid(-x))


@register("elish", formula="where(x >= 0, x, exp(x) - 1) * sigmoid(x)", reference=BASIRAT, origin="searched")
def elish(x: Tensor) -> Tensor:
    return F.elu(x) * torch.sigmoid(x)


@register(
    "hard-elish",
    formula="where(x >= 0, x, exp(x) - 1) * clamp((x + 1) / 2, 0, 1)",
    reference=BASIRAT,
    origin="searched",
)
def hard_elish(x: Tensor) -> Tensor:
    return F.elu(x) * torch.clamp((x + 1) / 2, 0, 1)


@register(
    "hard-mish",
    formula="0.5 * x * clamp(x + 2, 0, 2)",
    reference="Misra: H-Mish (software), as in timm",
)
def hard_mish(x: Tensor) -> Tensor:
    return 0.5 * x * torch.clamp(x + 2, 0, 2)


@register(
    "aria-2",
    formula="x * (1 + exp(-2 * x))**-1.5",
    reference="Patwardhan, Ingalhalikar, Walambe: ARiA: Utilizing Richard's Curve for Controlling the "
    "Non-Monotonicity of the Activation Function in Deep Neural Nets, 2018, arXiv 1805.08878; alpha = 1.5, beta = 2",
    aliases=["aria2"],
)
def aria_2(x: Tensor) -> Tensor:
    return x * torch.exp(1.5 * F.logsigmoid(2 * x))
