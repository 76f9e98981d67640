"""The built-in catalogue; importing this package registers every function in it."""

from activations.builtin import gated, learnable, mined_paper, other, periodic, searched, standard

__all__ = ["gated", "learnable", "mined_paper", "other", "periodic", "searched", "standard"]
