"""The catalogue: activation functions by name, each traced once and offered in every form that a task needs."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

    from activations.graph import Graph
    from activations.to_numpy import NumpyForm

    TorchFunction = Callable[..., torch.Tensor]

Function = TypeVar("Function", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 60
"""Characters; names stand in tables and in the names of files."""


class RegistryError(ValueError):
    """A name that breaks the rules or is taken, or something that is no function."""


class UnknownActivation(LookupError):
    """No activation has this name; the message offers the nearest ones."""


@dataclass(frozen=True)
class Activation:
    """An activation function: what it is called, where it comes from, and its graph.

    The author's function runs once, when `graph` is first asked for; every form is made from the graph.
    """

    name: str
    """Lower-case words joined by `-`, e.g. `gelu-sine`; unique in the catalogue."""
    function: TorchFunction = field(repr=False, compare=False)
    """The author's function of one tensor, to be traced and not to be trained with."""
    formula: str
    """The definition as readable text, e.g. `x * sigmoid(beta * x)`."""
    reference: str = ""
    """Authors, title, year and venue or arXiv number; empty for a candidate that nobody has published."""
    origin: str = ""
    """How it was found: `hand-designed`, `searched`, `mined`, or the user's own words."""
    source: str = field(default="", repr=False)
    """Python text of the definition."""
    aliases: tuple[str, ...] = ()
    """Other names that the field uses for the same function."""
    mined_on: tuple[str, ...] = ()
    """Tasks whose data chose this function in a search of ours: its scores there are marked."""

    @staticmethod
    def from_graph(name: str, graph: Graph, formula: str = "") -> Activation:
        """An activation that is known by its graph alone: there is no author's function to run."""
        activation = Activation(name, _untraceable, formula)
        vars(activation)["graph"] = graph  # fills the cached property
        return activation

    @cached_property
    def graph(self) -> Graph:
        """The function as data: known tensor operations, facts and hash; traced at the first use.

        Raises:
            TraceError: the function branches on values, changes the shape, uses an operation we do not know, or gives
                no finite number at any ordinary input.
        """
        from activations.trace import TraceError, trace

        graph = trace(self.function)
        fault = _fault_everywhere(graph)
        if fault:
            raise TraceError(f"{self.name!r} is {fault} ordinary input: mend its formula.")
        return graph

    def module(self) -> torch.nn.Module:
        """A torch module with fresh parameters, for one site; draws no random numbers."""
        from activations.to_torch import to_torch

        return to_torch(self.graph, self.name)

    def jax(self) -> Callable[..., Any]:
        """A function of a jax array and the parameters by name; per-channel ones lie along the last axis."""
        from activations.to_jax import to_jax

        return to_jax(self.graph)

    def numpy(self) -> NumpyForm:
        """The float64 reference: a function of an array and the parameters by name, with its gradients in `.vjp`."""
        from activations.to_numpy import to_numpy

        return to_numpy(self.graph)

    @cached_property
    def latex(self) -> str:
        """The graph as LaTeX, without dollar signs."""
        from activations.to_latex import to_latex

        return to_latex(self.graph)


def _untraceable(*_: Any) -> Any:
    raise RegistryError("this activation was made from its graph; there is no function to call.")


def register(
    name: str,
    *,
    formula: str,
    reference: str = "",
    origin: str = "hand-designed",
    aliases: Iterable[str] = (),
    mined_on: Iterable[str] = (),
) -> Callable[[Function], Function]:
    """Give a plain torch function of one tensor a name everywhere; the function itself is returned unchanged.

        @register("gelu-sine", formula="gelu(x) + 0.1 * sin(x)", reference="...", origin="mined")
        def gelu_sine(x):
            return F.gelu(x) + 0.1 * torch.sin(x)

    Learnable parameters are keyword arguments with a `Parameter` as default: `*, beta=Parameter(1.0, per="channel")`.

    Raises:
        RegistryError: the name is taken or is not lower-case words joined by `-`, or the object is no function.
    """

    def decorate(function: Function) -> Function:
        if not callable(function):
            raise RegistryError(f"@register({name!r}) stands above {function!r}, which is no function.")
        source, others, tasks = source_of(function), tuple(aliases), tuple(mined_on)
        add(Activation(name, function, formula, reference, origin, source, others, tasks))
        return function

    return decorate


def add(activation: Activation) -> Activation:
    """Put an activation into the catalogue under its name and its aliases.

    Raises:
        RegistryError: one of the names is taken, too long, or breaks the rules; nothing is added then.
    """
    _load_catalogue()
    wanted = (activation.name, *activation.aliases)
    for name in wanted:
        if not _NAME.fullmatch(name):
            raise RegistryError(
                f"{name!r} cannot name an activation: use lower-case words joined by '-', as in 'gelu-sine'."
            )
        if len(name) > _LONGEST_NAME:
            raise RegistryError(f"The name {name!r} has {len(name)} characters: use at most {_LONGEST_NAME}.")
        if name in _by_name or wanted.count(name) > 1:
            raise RegistryError(f"An activation called {name!r} exists already: choose another name.")
    _by_name.update(dict.fromkeys(wanted, activation))
    return activation


def get(name: str) -> Activation:
    """The activation of this name or alias.

    Raises:
        UnknownActivation: nothing has this name; the message offers the nearest ones.
    """
    _load_catalogue()
    if name in _by_name:
        return _by_name[name]
    close = difflib.get_close_matches(name.lower().replace("_", "-"), _by_name, n=5, cutoff=0.5)
    near = list(dict.fromkeys(_by_name[match].name for match in close))[:3]
    advice = f"did you mean {' or '.join(near)}?" if near else "`bench list` shows them all."
    raise UnknownActivation(f"No activation is called {name!r}: {advice}")


def names() -> list[str]:
    """The names of all registered activations in alphabetical order, without aliases."""
    _load_catalogue()
    return sorted({activation.name for activation in _by_name.values()})


def snapshot() -> dict[str, Activation]:
    """The catalogue as it is now, names and aliases; `restore` brings it back."""
    _load_catalogue()
    return dict(_by_name)


def restore(catalogue: dict[str, Activation]) -> None:
    """Forget what was registered after `catalogue` was taken."""
    _by_name.clear()
    _by_name.update(catalogue)


def source_of(function: Callable[..., Any]) -> str:
    """The Python text of a function, or nothing where it has no file, as at a prompt."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _fault_everywhere(graph: Graph) -> str:
    """What is wrong with the function at each of some ordinary inputs; empty when a value is finite somewhere."""
    import numpy as np

    from activations.to_numpy import to_numpy

    values = to_numpy(graph)(np.linspace(-3.0, 3.0, 24).reshape(2, 12))
    if np.isfinite(values).any():
        return ""
    return "not a number at any" if np.isnan(values).all() else "infinite or not a number at every"


def _load_catalogue() -> None:
    """Register the built-ins and the installed plugins, once, when a name is first needed."""
    global _loaded
    if _loaded:
        return
    _loaded = True  # first, because each built-in registers itself and comes back here
    import activations.builtin
    import activations.mined  # noqa: F401
    from activations.plugins import load_installed

    load_installed()


_loaded = False
_by_name: dict[str, Activation] = {}
