"""Candidates that the server traces before it serves, so that all that a trace imports is imported: nothing can be
opened inside. Each stands for a path of its own through the tracer; the tests trace many more inside than stand here.
"""

from __future__ import annotations

SOURCES = (
    """
def activation(x):
    return F.gelu(x) * (1 + 0.5 * torch.sinc(x))
""",
    """
def activation(x):  # sizes that depend on the shape
    spectrum = torch.fft.rfft(x, dim=-1)
    middle = spectrum.shape[-1] // 2
    share = spectrum[..., middle:].abs().sum(-1, keepdim=True) / (spectrum.abs().sum(-1, keepdim=True) + 1e-6)
    return torch.exp(-share).detach() * x + torch.fft.irfft(spectrum, n=x.shape[-1], dim=-1)
""",
    """
def activation(x):  # constants that are folded
    return x.sort(-1).values * torch.sqrt(torch.tensor(0.5)) + x.std() * x.shape[-1] ** 0.5
""",
    """
def activation(x):  # every pair of features
    return (x.unsqueeze(-1) * x.unsqueeze(-2)).mean(-1)
""",
    """
def activation(x):  # an error of torch's
    return x * torch.fft.rfft(x)
""",
    """
def activation(x):  # an error of the symbolic tracer's
    return x[x > 0]
""",
    """
def activation(x):  # one of ours, and graphs that differ between ranks
    return x * x.shape[0]
""",
)
