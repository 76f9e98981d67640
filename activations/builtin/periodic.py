"""Functions that oscillate: for periodic targets, implicit neural representations and sign changes within a unit."""

from __future__ import annotations

from activations.builtin.lazy import Tensor, torch
from activations.registry import register

SNAKE = (
    "Ziyin, Hartwig, Ueda: Neural Networks Fail to Learn Periodic Functions and How to Fix It, NeurIPS 2020, "
    "arXiv 2006.08195"
)


@register(
    "sine",
    formula="sin(x)",
    reference="Parascandolo, Huttunen, Virtanen: Taming the Waves: Sine as Activation Function in Deep Neural "
    "Networks, 2017",
    aliases=["sin"],
)
def sine(x: Tensor) -> Tensor:
    return torch.sin(x)


@register(
    "siren",
    formula="sin(30 * x)",
    reference="Sitzmann, Martel, Bergman, Lindell, Wetzstein: Implicit Neural Representations with Periodic "
    "Activation Functions, NeurIPS 2020, arXiv 2006.09661; the function only, without their initialisation",
)
def siren(x: Tensor) -> Tensor:
    return torch.sin(30 * x)


@register(
    "cosine",
    formula="cos(x)",
    reference="Rahimi, Recht: Random Features for Large-Scale Kernel Machines, NIPS 2007",
    aliases=["cos"],
)
def cosine(x: Tensor) -> Tensor:
    return torch.cos(x)


@register(
    "cosine-squasher",
    formula="0.5 * (1 + sin(clamp(x, -pi / 2, pi / 2)))",
    reference="Gallant, White: There Exists a Neural Network That Does Not Make Avoidable Mistakes, ICNN 1988",
)
def cosine_squasher(x: Tensor) -> Tensor:
    return 0.5 * (1 + torch.sin(torch.clamp(x, -torch.pi / 2, torch.pi / 2)))


@register("snake", formula="x + sin(x)**2", reference=SNAKE + "; a = 1")
def snake(x: Tensor) -> Tensor:
    return x + torch.sin(x) ** 2


@register("sin-plus-x", formula="x + sin(x)", reference=SNAKE + ", which compares it with Snake")
def sin_plus_x(x: Tensor) -> Tensor:
    return x + torch.sin(x)


@register(
    "gcu",
    formula="x * cos(x)",
    reference="Noel, Trivedi, Dutta: Growing Cosine Unit: A Novel Oscillatory Activation Function That Can Speedup "
    "Training and Reduce Parameters in Convolutional Neural Networks, 2021, arXiv 2108.12943",
)
def gcu(x: Tensor) -> Tensor:
    return x * torch.cos(x)


@register(
    "sinlu",
    formula="(x + sin(x)) * sigmoid(x)",
    reference="Paul, Bandyopadhyay, Yoon, Geem, Sarkar: SinLU: Sinu-Sigmoidal Linear Unit, Mathematics 2022; "
    "amplitude and frequency fixed at 1",
)
def sinlu(x: Tensor) -> Tensor:
    return (x + torch.sin(x)) * torch.sigmoid(x)


@register(
    "sinc",
    formula="sinc(x)",
    reference="among the unary functions of Ramachandran, Zoph, Le, 2017, arXiv 1710.05941; here sin(pi x) / (pi x)",
)
def sinc(x: Tensor) -> Tensor:
    return torch.sinc(x)
