"""mined-29ffa588: found by `bench mine` in the synthetic lab, written by `bench promote`."""

# Run: proposer genetic, seed 1, 406 functions trained
# Lineage:
#   start: hardswish
#   genetic: multiply by 0.1 * sin(x) + 1 in hardswish(x)
# Lab evidence on seeds 2000, 2001, 2002, 2003 and problems that the search never used, as log10 of the out-of-
#     distribution loss over ReLU's (lower is better):
#   validation shift, searched families: -0.400, 95 % interval over 32 problems -0.624 to -0.176
#   validation shift, polynomials: -0.413 on 12 problems
#   validation shift, harmonics (held out): +0.064 on 9 problems
#   validation shift, feynman: -0.387 on 20 problems
#   sealed shift, polynomials: -0.121 on 12 problems
#   sealed shift, harmonics (held out): +0.129 on 9 problems
#   sealed shift, feynman: -0.110 on 20 problems

from __future__ import annotations

from activations.builtin.lazy import F, Tensor, torch
from activations.registry import register


@register(
    "mined-29ffa588",
    formula="hardswish(x) * (0.1 * sin(x) + 1)",
    reference="found by `bench mine` in the synthetic lab",
    origin="mined",
    mined_on=("lab-polynomials", "lab-feynman"),
)
def activation(x: Tensor) -> Tensor:
    return F.hardswish(x) * (0.1 * torch.sin(x) + 1)
