"""Injection: every activation module of a torch model is replaced by the named one, and the count is audited.

Modules are replaced after construction, by type; a model's `act_layer` argument is no contract (timm's VGG refuses
it, and `mobilenetv3_small_100` keeps 14 of its 33 sites).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import nn

_TORCH_TYPES = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]
"""torch.nn's activation classes that keep the shape; GLU halves it, and Softmax belongs to attention."""


class InjectionError(RuntimeError):
    """The sites that were found, swapped or run are not those that the task declares."""


class HasModule(Protocol):
    """What injection needs of an activation."""

    @property
    def name(self) -> str:
        """The registered name."""

    def module(self) -> nn.Module:
        """A fresh module with parameters of its own."""


@dataclass(frozen=True)
class Injection:
    """The audit of one injection: plain data, for the record of a cell."""

    found: int
    """Activation modules before the swap, counted by place."""
    swapped: int
    """Places that now hold a fresh module of the named activation."""
    left: int
    """Activation modules of another kind that remain."""
    sites: tuple[str, ...]
    """The places, as `named_modules` calls them, in order."""
    executed: int | None = None
    """Calls of injected modules in one dry forward pass; None until `confirm_executed`. More than `swapped` where one
    module is called at several points of `forward`."""


def inject(model: nn.Module, activation: HasModule, *, expected: int) -> Injection:
    """Replace every activation module inside `model` by a fresh `activation.module()`, in place.

    A site is a place (an attribute of a parent module), not a module object: an object shared by several places
    becomes one fresh module for each. Draws no random numbers. Raises InjectionError, with the model unchanged, when
    the number of sites is not `expected`; and when an activation module is left.
    """
    if is_activation(model):
        raise InjectionError("the model is itself an activation module; wrap it, for example in nn.Sequential.")
    sites = list(_find_sites(model))
    if len(sites) != expected:
        names = ", ".join(name for name, _, _ in sites) or "none"
        raise InjectionError(f"the task declares {expected} activation sites, the model has {len(sites)}: {names}.")
    for _, parent, child in sites:
        fresh = activation.module()
        fresh.train(getattr(parent, child).training)
        device = _device_near(parent, model)
        setattr(parent, child, fresh if device is None else fresh.to(device))
    left = sum(1 for _ in _find_sites(model))
    if left:
        raise InjectionError(f"{left} activation modules are left after the swap.")
    return Injection(len(sites), len(sites), left, tuple(name for name, _, _ in sites))


def confirm_executed(model: nn.Module, injection: Injection, forward: Callable[[], Any]) -> Injection:
    """Run `forward()` once, in eval mode and without gradients, and count the calls of the injected modules.

    The pass also sizes per-channel parameters, so it comes before the optimizer is built. Modes, BatchNorm statistics
    and the random state are afterwards what they were. Raises InjectionError when the module of a site was never
    called.
    """
    import torch

    modules = dict(model.named_modules(remove_duplicate=False))
    calls = dict.fromkeys(injection.sites, 0)
    handles = []
    for site in injection.sites:
        if site not in modules or is_activation(modules[site]):
            raise InjectionError(f"the site {site!r} of the model no longer holds the injected module.")

        def count(*_: Any, site: str = site) -> None:
            calls[site] += 1

        handles.append(modules[site].register_forward_hook(count))
    modes = {module: module.training for module in model.modules()}
    cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(cuda):
            forward()
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    silent = [site for site, number in calls.items() if number == 0]
    if silent:
        raise InjectionError(f"{len(silent)} of {len(calls)} injected sites were never executed: {', '.join(silent)}.")
    return replace(injection, executed=sum(calls.values()))


def is_activation(module: Any) -> bool:
    """True for an instance of torch.nn's activation classes (subclasses too) or of timm's own."""
    from torch import nn

    if isinstance(module, tuple(getattr(nn, name) for name in _TORCH_TYPES)):
        return True
    return any(kind in _timm_types() for kind in type(module).__mro__)


def _timm_types() -> set[type]:
    """timm's own activation classes, where timm is loaded: what timm.layers.activations and its relatives define."""
    from torch import nn

    found: set[type] = set()
    for name in ("activations", "activations_me"):
        module = sys.modules.get(f"timm.layers.{name}")
        for value in vars(module).values() if module else ():
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__:  # type: ignore[union-attr]
                found.add(value)
    return found


def _find_sites(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Places that hold an activation module: full name, parent, attribute. A parent reached twice is visited once."""
    seen: set[int] = set()
    for prefix, parent in model.named_modules():
        if id(parent) in seen or is_activation(parent):
            continue
        seen.add(id(parent))
        for child, module in parent._modules.items():
            if module is not None and is_activation(module):
                yield f"{prefix}.{child}" if prefix else child, parent, child


def _device_near(parent: nn.Module, model: nn.Module) -> Any:
    """Where the model's weights live; None for a model without any."""
    for module in (parent, model):
        for parameter in module.parameters():
            return parameter.device
    return None
