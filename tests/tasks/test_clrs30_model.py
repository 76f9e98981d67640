"""Injection into the official Triplet-GMPNN: every site, nothing else, and the untouched model for ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from activations import Activation, InjectionError, Parameter, get, register
from tasks import clrs_data
from tasks.clrs30 import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:jax.nn.one_hot input should be integer:DeprecationWarning")  # clrs

CHANNELWISE, COEFFICIENTS = Parameter(1.0, per="channel"), Parameter((0.5, 0.25))
RECIPE = Recipe(
    steps=2,
    batch_size=2,
    hidden=8,
    train_lengths=(4,),
    val_length=4,
    val_samples=4,
    test_length=4,
    test_samples=4,
    frozen_test=False,
    eval_every=2,
)


@pytest.fixture(scope="module", autouse=True)
def light_clrs() -> None:
    clrs_data.import_clrs()


@pytest.fixture(scope="module")
def samples() -> tuple[Any, Any]:
    """The specification of `minimum` and one batch of it."""
    supply = clrs_data.local_test_samples("minimum", 4, 4, 2)
    return supply.spec, next(supply.batches)


@pytest.fixture(scope="module")
def official(samples: tuple[Any, Any]) -> Any:
    """The package's own model, set up by the package's own code, with its weights for seed 1."""
    from clrs._src.baselines import BaselineModel

    from tasks.clrs_model import official_factory

    spec, batch = samples
    model: Any = BaselineModel(
        spec=[spec],
        dummy_trajectory=[batch],
        processor_factory=official_factory(8),
        hidden_dim=8,
        encode_hints=True,
        decode_hints=True,
        encoder_init="xavier_on_scalars",
        learning_rate=1e-3,
        grad_clip_max_norm=1.0,
        hint_teacher_forcing=0.0,
        hint_repred_mode="soft",
    )
    model.init(batch.features, 1)
    return model


@pytest.fixture(scope="module")
def channelwise() -> Activation:
    @register("clrs-test-scaled", formula="c0 x + c1 sin(b x)", reference="this test")
    def scaled(x: Any, *, b: Any = CHANNELWISE, c: Any = COEFFICIENTS) -> Any:
        return c[0] * x + c[1] * (b * x).sin()

    return get("clrs-test-scaled")


def injected(activation: Any, samples: tuple[Any, Any]) -> Any:
    from tasks.clrs_model import build_model, processor_factory

    spec, batch = samples
    model: Any = build_model(processor_factory(activation, 8, set()), spec, batch, RECIPE)
    model.init(batch.features, 1)
    return model


def forward_relus(model: Any, batch: Any) -> int:
    """ReLUs in the traced network: its first step and the body of the loop over the others."""
    import jax

    from tasks.clrs_model import count_relus

    def forward(params: Any, features: Any) -> Any:
        key = jax.random.PRNGKey(0)
        return model.net_fn.apply(
            params, key, [features], repred=False, algorithm_index=0, return_hints=True, return_all_outputs=False
        )

    return count_relus(jax.make_jaxpr(forward)(model.params, batch.features))


def test_relu_for_relu_is_the_official_model_bit_for_bit(samples: tuple[Any, Any], official: Any) -> None:
    import jax

    batch = samples[1]
    ours = injected(get("relu"), samples)
    first = jax.tree_util.tree_map(np.array_equal, official.params, ours.params)
    assert all(jax.tree_util.tree_leaves(first))
    key = jax.random.PRNGKey(5)
    start, state = official.params, official.opt_state
    losses = [[float(model.feedback(key, batch)) for _ in range(3)] for model in (official, ours)]
    assert losses[0] == losses[1]
    assert losses[0][2] < losses[0][0]
    trained = jax.tree_util.tree_map(np.array_equal, official.params, ours.params)
    assert all(jax.tree_util.tree_leaves(trained))
    (theirs, _), (predicted, finite) = (model.predict(key, batch.features) for model in (official, ours))
    assert finite
    assert {name: each.data.tolist() for name, each in theirs.items()} == {
        name: each.data.tolist() for name, each in predicted.items()
    }
    official.params, official.opt_state = start, state


def test_no_relu_is_left_when_the_sine_is_injected(samples: tuple[Any, Any], official: Any) -> None:
    assert forward_relus(official, samples[1]) == 10  # five in the first step, five in the loop's body
    assert forward_relus(injected(get("sine"), samples), samples[1]) == 0


def test_each_site_is_a_place_of_its_own() -> None:
    """Silencing any one site changes the result of a message-passing step, each in its own way."""
    import haiku as hk
    import jax
    import jax.numpy as jnp

    from tasks.clrs_model import SITES, InjectedMPNN

    def step(silent: str) -> Any:
        def site(name: str, x: Any) -> Any:
            return jnp.zeros_like(x) if name == silent else jax.nn.relu(x)

        return lambda *features: InjectedMPNN(lambda _: site, 8, 8)(*features, batch_size=2, nb_nodes=4)

    rng = np.random.default_rng(0)
    node, edge, graph, hidden = (rng.normal(size=(2, *axes, 8)) for axes in ((4,), (4, 4), (), (4,)))
    features = (node, edge, graph, np.ones((2, 4, 4)), hidden)
    key = jax.random.PRNGKey(0)
    params = hk.transform(step("")).init(key, *features)
    params = jax.tree_util.tree_map(lambda leaf: leaf + 0.1, params)  # biases start at 0 and would hide a site
    results = [hk.transform(step(silent)).apply(params, key, *features) for silent in ("", *SITES)]
    assert len({(float(nodes.sum()), float(edges.sum())) for nodes, edges in results}) == 1 + len(SITES)


def test_learnable_parameters_leave_the_weights_alone_and_are_trained(
    samples: tuple[Any, Any], official: Any, channelwise: Activation
) -> None:
    import jax

    model = injected(channelwise, samples)
    params = model.params
    own = params.pop(next(name for name in params if name not in official.params))
    assert {name: value.shape for name, value in own.items()} == {
        f"{site}_{name}": shape
        for site in ("triplet", "message", "message_mlp", "update", "gate")
        for name, shape in (("b", (8,)), ("c", (2,)))
    }
    assert own["gate_c"].tolist() == [0.5, 0.25]
    assert all(jax.tree_util.tree_leaves(jax.tree_util.tree_map(np.array_equal, params, dict(official.params))))
    model.feedback(jax.random.PRNGKey(5), samples[1])
    after = model.params
    moved = next(value for name, value in after.items() if name not in official.params)
    still = {name for name in own if np.array_equal(moved[name], own[name])}
    assert still == {"triplet_b", "triplet_c"}  # edges are read by pointer decoders, of which `minimum` has none


def test_audit_counts_five_sites(channelwise: Activation) -> None:
    from tasks.clrs_model import audit

    for activation in (get("relu"), channelwise):
        injection = audit(activation, 8, expected=5)
        assert (injection.found, injection.swapped, injection.left) == (5, 5, 0)
        assert injection.sites == ("triplet", "message", "message_mlp", "update", "gate")


def test_audit_refuses_a_processor_that_keeps_a_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    from clrs._src import processors

    from tasks import clrs_model

    def keeps_its_own(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.activation = clrs_model._in_turn(self._site(self.out_size), "triplet", "update")
        return processors.MPNN.__call__(self, *args, **kwargs)

    monkeypatch.setattr(clrs_model.InjectedMPNN, "__call__", keeps_its_own)
    with pytest.raises(InjectionError, match="5 ReLUs, 2 were replaced and 3 are left"):
        clrs_model.audit(get("relu"), 8, expected=5)


def test_the_package_is_as_it_was_after_a_step_that_failed() -> None:
    import haiku as hk
    import jax
    from clrs._src import processors

    from tasks import clrs_model

    def fail(name: str, x: Any) -> Any:
        assert vars(processors)["jax"] is not jax
        raise ArithmeticError(name)

    with pytest.raises(ArithmeticError, match="triplet"):
        clrs_model._trace(lambda size: clrs_model.InjectedMPNN(lambda _: fail, size, 8))
    assert vars(processors)["jax"] is jax
    assert vars(processors)["hk"] is hk


def test_an_unknown_further_site_is_refused() -> None:
    from tasks.clrs_model import _in_turn

    activate = _in_turn(lambda name, x: (name, x), "message", "gate")
    assert [activate(1), activate(2)] == [("message", 1), ("gate", 2)]
    with pytest.raises(InjectionError, match="after gate"):
        activate(3)
