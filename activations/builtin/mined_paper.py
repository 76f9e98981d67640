"""The functions of "Mining Generalizable Activation Functions" whose constants are known, and Turbulent's base."""

from __future__ import annotations

from activations.builtin.lazy import F, Tensor, torch
from activations.registry import register

VITVITSKYI = (
    "Vitvitskyi, Boratko, Grcic, Pascanu, Shah, Veličković: Mining Generalizable Activation Functions, 2026, "
    "arXiv 2602.05688"
)
TURBULENT_BASE = "sign(x) * log(1 + 0.5 * abs(x))"


@register("gelu-sine", formula="gelu(x) + 0.1 * sin(x)", reference=VITVITSKYI, origin="mined", aliases=["gelusine"])
def gelu_sine(x: Tensor) -> Tensor:
    return F.gelu(x) + 0.1 * torch.sin(x)


@register(
    "gelu-sinc-perturbation",
    formula="gelu(x) * (1 + 0.5 * sinc(x))",
    reference=VITVITSKYI,
    origin="mined",
    aliases=["gelu-sinc"],
)
def gelu_sinc_perturbation(x: Tensor) -> Tensor:
    return F.gelu(x) * (1 + 0.5 * torch.sinc(x))


@register("gmtu", formula="tanh(1.5 * x) * exp(-0.2 * x**2) + 0.1 * x", reference=VITVITSKYI, origin="mined")
def gmtu(x: Tensor) -> Tensor:
    return torch.tanh(1.5 * x) * torch.exp(-0.2 * x**2) + 0.1 * x


def signed_log(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|/2): what the mined paper's re-implementation has under Turbulent's ripple."""
    return torch.sign(x) * torch.log1p(0.5 * torch.abs(x))


@register(
    "turbulent-base",
    formula=TURBULENT_BASE,
    reference="Turbulent without its statistics: shows what they add",
    origin="control",
)
def turbulent_base(x: Tensor) -> Tensor:
    return signed_log(x)


@register(
    "turbulent",
    formula=f"{TURBULENT_BASE} + 0.2 * exp(-z**2 / 2) * sin(2 * x), z = (x - mean(x)) / (std(x) + 1e-6)",
    reference=VITVITSKYI + "; the base is known from a re-implementation only, and the uncorrected standard deviation "
    "(over n, not n - 1) is our choice",
    origin="mined",
)
def turbulent(x: Tensor) -> Tensor:
    z = (x - x.mean()) / (x.std(correction=0) + 1e-6)
    return signed_log(x) + 0.2 * torch.exp(-(z**2) / 2) * torch.sin(2 * x)


@register(
    "chaotic-wave",
    formula="where(cos(50 * (x / 10)**3 + 0.5 * sin(2.5 * x)) > 0, 10 * tanh((g * x + m * d) / 10), "
    "10 * tanh((g * x - m * d) / 10)), with m, d, g from x and its two neighbours on the last axis",
    reference=VITVITSKYI + "; the paper's own name for it is not known to us",
    origin="mined",
)
def chaotic_wave(x: Tensor) -> Tensor:
    before, after = torch.roll(x, 1, -1), torch.roll(x, -1, -1)
    u = (x / 10) ** 2
    gain = 1 + 2 * u * torch.exp(-u / 1.5)
    amplitude = 2 * u * torch.exp(-u / 2)
    energy = x**2 + 0.25 * (before**2 + after**2)
    laplacian = x - 0.5 * (before + after)
    switch = torch.sigmoid(2 * (energy - 100) / 100 + 5 * (laplacian / 10) ** 2)
    ripple = (1 - switch) * 0.2 * torch.sin(15 * x) + switch * 0.8 * torch.sin(40 * x + 5 * laplacian)
    phase = x + 0.5 * x**2 * torch.sign(x) / 10 + ripple + 2 * (0.5 * before - after) / 10
    kick = gain * amplitude * torch.sin(phase)
    carrier = torch.exp(-((torch.abs(x) / 20) ** 4)) * x
    upper = torch.cos(50 * (x / 10) ** 3 + 0.5 * torch.sin(2.5 * x)) > 0
    return torch.where(upper, 10 * torch.tanh((carrier + kick) / 10), 10 * torch.tanh((carrier - kick) / 10))


@register(
    "fisg",
    formula="g * x + (1 - g) * irfft([X_low, conj(X_high)]), X = rfft(x) over the last axis, "
    "g = exp(-sum(abs(X_high)) / (sum(abs(X)) + 1e-6)) without gradient",
    reference=VITVITSKYI + "; the split at half of the frequencies, k = 1 and epsilon = 1e-6 are our choices",
    origin="mined",
)
def fisg(x: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(x, dim=-1)
    middle = spectrum.shape[-1] // 2
    low, high = spectrum[..., :middle], spectrum[..., middle:]
    share = high.abs().sum(-1, keepdim=True) / (spectrum.abs().sum(-1, keepdim=True) + 1e-6)
    gate = torch.exp(-share).detach()
    mirrored = torch.fft.irfft(torch.cat([low, high.conj()], dim=-1), n=x.shape[-1], dim=-1)
    return gate * x + (1 - gate) * mirrored
