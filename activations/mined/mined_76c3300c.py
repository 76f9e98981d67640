"""mined-76c3300c: found by `bench mine` in the synthetic lab, written by `bench promote`."""

# Run: proposer genetic, seed 1, 406 functions trained
# Lineage:
#   start: sinlu
#   genetic: put elu(x) in place of sin(x) in (x + sin(x)) * sigmoid(x)
#   genetic: change 1 to 0.75 in (x + elu(x)) * sigmoid(x)
#   genetic: add 0.25 * sin(0.5 * x) in (x + elu(x, 0.75)) * sigmoid(x)
# Lab evidence on seeds 2000, 2001, 2002, 2003 and problems that the search never used, as log10 of the out-of-
#     distribution loss over ReLU's (lower is better):
#   validation shift, searched families: -0.357, 95 % interval over 32 problems -0.545 to -0.170
#   validation shift, polynomials: -0.293 on 12 problems
#   validation shift, harmonics (held out): +0.010 on 9 problems
#   validation shift, feynman: -0.421 on 20 problems
#   sealed shift, polynomials: -0.111 on 12 problems
#   sealed shift, harmonics (held out): +0.114 on 9 problems
#   sealed shift, feynman: -0.218 on 20 problems

from __future__ import annotations

from activations.builtin.lazy import F, Tensor, torch
from activations.registry import register


@register(
    "mined-76c3300c",
    formula="(x + elu(x, 0.75)) * sigmoid(x) + 0.25 * sin(0.5 * x)",
    reference="found by `bench mine` in the synthetic lab",
    origin="mined",
    mined_on=("lab-polynomials", "lab-feynman"),
)
def activation(x: Tensor) -> Tensor:
    return (x + F.elu(x, 0.75)) * torch.sigmoid(x) + 0.25 * torch.sin(0.5 * x)
