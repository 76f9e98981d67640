"""The stream of a CLRS run: its order, and the process that draws it ahead."""

from __future__ import annotations

import dataclasses
import io
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from tasks import clrs_data, clrs_sampler, clrs_stream
from tasks.clrs30 import Recipe
from tasks.clrs_stream import Ahead, Failure, Opening, SamplerError, ahead_on, draw, streams

RECIPE = Recipe(
    steps=5,
    batch_size=2,
    hidden=8,
    train_lengths=(4, 6),
    val_length=4,
    val_samples=3,
    test_length=6,
    test_samples=6,
    frozen_test=False,
    eval_every=2,
)


def equal(ours: Any, theirs: Any) -> bool:
    """Whether two items of a stream hold the same numbers, in the precision that jax computes in."""
    pairs = zip(jax.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs), strict=True)
    return all(np.array_equal(np.float32(a), np.float32(b)) for a, b in pairs)


def test_the_order_is_opening_example_training_and_validations_where_they_fall() -> None:
    opening, example, *batches = draw("bfs", 3, RECIPE)
    assert isinstance(opening, Opening)
    assert dict(opening.spec) == dict(clrs_data.import_clrs().SPECS["bfs"])
    assert example.features.lengths.shape == (2,)
    sizes = [batch.features.inputs[0].data.shape[1] for batch in batches]
    val = [4, 4]  # three samples take two batches of two
    assert sizes == [4, 6, *val, 4, 6, *val, 4, *val]


def test_validation_takes_from_the_same_random_state_as_training() -> None:
    """So a stream that skipped a validation would train on other batches afterwards."""
    often, seldom = (list(draw("bfs", 3, dataclasses.replace(RECIPE, eval_every=n))) for n in (1, 5))
    assert equal(often[2], seldom[2])
    assert not equal(often[5], seldom[3])  # the second training batch of each


@pytest.mark.parametrize("algorithm", ["bfs", "insertion_sort"])
def test_a_process_draws_the_same_stream(algorithm: str) -> None:
    with streams(algorithm, (1,), RECIPE, ahead=True) as (far,), streams(algorithm, (1,), RECIPE, False) as (near,):
        assert next(far) == next(near)
        count = 0
        for ours, theirs in zip(near, far, strict=False):
            assert equal(ours, theirs)
            assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree_util.tree_leaves(theirs))
            count += 1
        assert count == 1 + RECIPE.steps + 3 * 2
        with pytest.raises(SamplerError, match="ended with status 0"):
            next(far)


def test_a_failure_in_the_process_is_an_error_here() -> None:
    with Ahead("no_such_algorithm", 0, RECIPE) as stream:
        for _ in range(2):
            with pytest.raises(SamplerError, match=r"failed with .*no_such_algorithm"):
                next(stream)


def test_a_process_that_is_killed_is_an_error_here() -> None:
    endless = dataclasses.replace(RECIPE, steps=10**9)
    with Ahead("minimum", 0, endless) as stream:
        next(stream)
        stream._process.kill()
        with pytest.raises(SamplerError, match="ended with status -9"):
            list(stream)


def test_leaving_the_block_ends_the_process_although_it_has_more() -> None:
    with Ahead("minimum", 0, dataclasses.replace(RECIPE, steps=10**9)) as stream:
        next(stream)
        while not stream._ready.full():
            time.sleep(0.01)
    assert stream._process.poll() is not None
    assert not stream._reader.is_alive()


def test_the_process_ends_when_the_one_that_reads_has_died() -> None:
    """What is captured here is complete only when the sampler, which shares it, has ended as well."""
    code = (
        "import dataclasses, os\n"
        "from tasks.clrs30 import recipes\n"
        "from tasks.clrs_stream import Ahead\n"
        "recipe = dataclasses.replace(recipes('minimum')['cpu'], steps=10**9)\n"
        "stream = Ahead('minimum', 0, recipe)\n"
        "next(stream)\n"
        "print('read', flush=True)\n"
        "os._exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (7, "read\n", "")


def test_a_stream_that_fails_in_the_middle_keeps_what_came_before() -> None:
    def failing() -> Iterator[Any]:
        yield Opening(1, {})
        raise ZeroDivisionError("no graph")

    pipe = io.BytesIO()
    clrs_sampler.write(failing(), pipe)
    pipe.seek(0)
    assert pickle.load(pipe) == Opening(1, {})
    assert pickle.load(pipe) == Failure("failed with ZeroDivisionError: no graph")


def test_streams_are_drawn_ahead_beside_a_gpu_with_a_core_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clrs_stream, "_cores", lambda: 2)
    assert (ahead_on("cuda"), ahead_on("cuda:1"), ahead_on("cpu")) == (True, True, False)
    monkeypatch.setattr(clrs_stream, "_cores", lambda: 1)
    assert not ahead_on("cuda")
