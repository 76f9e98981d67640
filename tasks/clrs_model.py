"""The official Triplet-GMPNN with any activation at its five sites, and the guards that the package lacks.

The processor is the package's own `MPNN`: its `__call__` runs unchanged while the two names through which it reaches
its ReLUs, `jax.nn.relu` and `hk.nets.MLP`, are seen through stand-ins, and its `activation` attribute is ours. Every
site is named and recorded when it is traced, so that the audit counts what runs and not what was asked for.

Importing this file imports jax, haiku and clrs: import it inside functions, and call `clrs_data.import_clrs` before, or
clrs brings tensorflow with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from clrs._src import decoders, processors
from clrs._src.baselines import BaselineModel

from activations import Injection, InjectionError

if TYPE_CHECKING:
    from activations import Activation

SITES = ("triplet", "message", "message_mlp", "update", "gate")
"""The five ReLUs of one message-passing step, in the order in which they run: after the triplet reduction, before and
inside the message MLP, on the node update, inside the gate."""

Site = Callable[[str, Any], Any]
"""Called with a site's name and its preactivation, (..., hidden) float32; returns the activation, of the same shape."""


class InjectedMPNN(processors.MPNN):
    """The package's MPNN in which `site` answers at every activation site."""

    def __init__(self, site: Callable[[int], Site], out_size: int, nb_triplet_fts: int) -> None:
        super().__init__(
            out_size=out_size,
            msgs_mlp_sizes=[out_size, out_size],
            use_ln=True,
            use_triplets=True,
            nb_triplet_fts=nb_triplet_fts,
            gated=True,
        )
        self._site = site

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One message-passing step; arguments and result are the package's."""
        site = self._site(self.out_size)
        self.activation = _in_turn(site, "triplet", "update")
        relu = _in_turn(site, "message", "gate")
        mlp = partial(hk.nets.MLP, activation=_in_turn(site, "message_mlp"))
        with _processors_see(relu, mlp):
            return super().__call__(*args, **kwargs)


def processor_factory(activation: Activation, nb_triplet_fts: int, run: set[str]) -> Callable[[int], Any]:
    """Return what `BaselineModel` builds its processor with; names of sites that were traced are added to `run`.

    Learnable parameters of `activation` become haiku parameters of the processor, one set a site. Their initial values
    are constants, which draw no random numbers: the weights are those of the official model for every activation.
    """
    apply = activation.jax()

    def sites(channels: int) -> Site:
        values = {name: {p.name: _parameter(name, p, channels) for p in activation.graph.parameters} for name in SITES}

        def site(name: str, x: Any) -> Any:
            run.add(name)
            return apply(x, **values[name])

        return site

    return lambda out_size: InjectedMPNN(sites, out_size, nb_triplet_fts)


def official_factory(nb_triplet_fts: int) -> Callable[[int], Any]:
    """The package's own factory of the Triplet-GMPNN's processor."""
    factory: Callable[[int], Any] = processors.get_processor_factory(
        "triplet_gmpnn", use_ln=True, nb_triplet_fts=nb_triplet_fts
    )
    return factory


def audit(activation: Activation, nb_triplet_fts: int, expected: int) -> Injection:
    """Count the activation sites of the processor: `found` in the official one, `swapped` and `left` in ours.

    `found` and `left` are the ReLUs (`max(x, 0)`) in the traced programs; for `left` the sine stands in for the
    activation, which may hold such a maximum itself.

    Raises:
        activations.InjectionError: found or swapped is not `expected`, or a ReLU is left.
    """
    run: set[str] = set()
    _trace(processor_factory(activation, nb_triplet_fts, run))
    marked = _trace(lambda out_size: InjectedMPNN(lambda _: lambda _, x: jnp.sin(x), out_size, nb_triplet_fts))
    injection = Injection(
        found=count_relus(_trace(official_factory(nb_triplet_fts))),
        swapped=len(run),
        left=count_relus(marked),
        sites=tuple(name for name in SITES if name in run),
        executed=None,
    )
    if (injection.found, injection.swapped, injection.left) != (expected, expected, 0):
        raise InjectionError(
            f"The CLRS processor has {injection.found} ReLUs, {injection.swapped} were replaced and "
            f"{injection.left} are left where {expected}, {expected} and 0 are declared: install dm-clrs 2.0.3."
        )
    return injection


def count_relus(program: Any) -> int:
    """How many times a jaxpr, its inner programs included, takes the maximum of something and the literal 0."""
    jaxpr = getattr(program, "jaxpr", program)
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "max":
            total += any(np.ndim(v.val) == 0 and v.val == 0 for v in equation.invars if hasattr(v, "val"))
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(getattr(inner, "jaxpr", inner), "eqns"):
                    total += count_relus(inner)
    return total


@dataclass(frozen=True)
class OverSeeds:
    """A model's functions over a leading axis of seeds; what each compiled is kept with it."""

    step: Callable[..., Any]
    """(parameters, keys, feedback, optimizer state) to (losses, parameters, optimizer state)."""
    validate: Callable[..., Any]
    """(parameters, features), each seed on its own, to predictions and whether the raw outputs were finite."""
    test: Callable[..., Any]
    """The same, all seeds on one batch."""


class GuardedModel(BaselineModel):
    """The package's model, whose predictions also say whether the network's raw outputs were finite.

    The package takes the argmax of whatever comes out, so that NaN turns into a finite, scored prediction.
    """

    @cached_property
    def over_seeds(self) -> OverSeeds:
        """The functions that train and test several seeds at once, made once for each model."""

        def step(params: Any, key: Any, feedback: Any, state: Any) -> Any:
            return self._feedback(params, key, feedback, state, 0)

        def predict(params: Any, features: Any) -> Any:
            return self._predict(params, jax.random.PRNGKey(0), features, 0, False, False)

        return OverSeeds(
            step=jax.jit(jax.vmap(step), donate_argnums=(0, 3)),
            validate=jax.jit(jax.vmap(predict)),
            test=jax.jit(jax.vmap(predict, in_axes=(0, None))),
        )

    def _predict(self, params: Any, rng_key: Any, features: Any, algorithm_index: int, *flags: bool) -> Any:
        return_hints, return_all_outputs = flags
        raw, _ = self.net_fn.apply(
            params,
            rng_key,
            [features],
            repred=True,
            algorithm_index=algorithm_index,
            return_hints=return_hints,
            return_all_outputs=return_all_outputs,
        )
        finite = jnp.array([jnp.isfinite(value).all() for value in raw.values()]).all()
        spec = self._spec[algorithm_index]
        return decoders.postprocess(spec, raw, sinkhorn_temperature=0.1, sinkhorn_steps=50, hard=True), finite


def build_model(factory: Callable[[int], Any], spec: Mapping[str, Any], example: Any, recipe: Any) -> GuardedModel:
    """Build the Triplet-GMPNN with the settings of the package's examples/run.py; `example` is one batch."""
    return GuardedModel(
        spec=[dict(spec)],
        dummy_trajectory=[example],
        processor_factory=factory,
        hidden_dim=recipe.hidden,
        encode_hints=True,
        decode_hints=True,
        encoder_init="xavier_on_scalars",
        use_lstm=False,
        learning_rate=recipe.lr,
        grad_clip_max_norm=recipe.grad_clip,
        dropout_prob=0.0,
        hint_teacher_forcing=0.0,
        hint_repred_mode="soft",
        nb_msg_passing_steps=1,
    )


class _Seen:
    """A module as its user sees it, some of its names answered by something else."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextlib.contextmanager
def _processors_see(relu: Callable[[Any], Any], mlp: Callable[..., Any]) -> Iterator[None]:
    """Let the package's processors find `relu` and `mlp` where they look for `jax.nn.relu` and `hk.nets.MLP`."""
    names = vars(processors)
    before = {name: names[name] for name in ("jax", "hk")}
    names.update(jax=_Seen(jax, nn=_Seen(jax.nn, relu=relu)), hk=_Seen(hk, nets=_Seen(hk.nets, MLP=mlp)))
    try:
        yield
    finally:
        names.update(before)


def _in_turn(site: Site, *names: str) -> Callable[[Any], Any]:
    """A function of x alone that stands for the first site at its first call, the second at its second."""
    remaining = iter(names)

    def activate(x: Any) -> Any:
        name = next(remaining, None)
        if name is None:
            raise InjectionError(f"The CLRS processor has a site after {names[-1]} that we do not know.")
        return site(name, x)

    return activate


def _parameter(site: str, parameter: Any, channels: int) -> Any:
    """Create (or look up) one learnable parameter of one site in the scope of the running haiku module."""
    initial = np.asarray(parameter.initial, dtype=np.float32)
    if parameter.per == "channel":
        initial = np.broadcast_to(initial[..., None], (*initial.shape, channels))
    return hk.get_parameter(
        f"{site}_{parameter.name}", initial.shape, jnp.float32, init=lambda *_: jnp.asarray(initial)
    )


def _trace(factory: Callable[[int], Any], batch: int = 1, nodes: int = 4, hidden: int = 8) -> Any:
    """Trace one message-passing step on zeros into a jaxpr; nothing is compiled or computed."""

    def step(*features: Any) -> Any:
        return factory(hidden)(*features, batch_size=batch, nb_nodes=nodes)

    node, edge, graph = (jnp.zeros((batch, *(nodes,) * axes, hidden)) for axes in (1, 2, 0))
    features = (node, edge, graph, jnp.ones((batch, nodes, nodes)), node)
    network, key = hk.transform(step), jax.random.PRNGKey(0)
    return jax.make_jaxpr(network.apply)(jax.eval_shape(network.init, key, *features), key, *features)
