"""Making programs is timed apart from running them."""

import jax
import jax.numpy as jnp

from tasks.clrs_compile import if_compiled
from tasks.stopwatch import Stopwatch


def test_only_what_makes_a_program_counts() -> None:
    program, watch = jax.jit(lambda x: 2 * x + 1), Stopwatch()
    short, long = jnp.ones(3), jnp.ones(4)

    def run(x: jax.Array) -> tuple[float, float]:
        with if_compiled(watch):
            program(x).block_until_ready()
        return watch.wall, watch.cpu

    first = run(short)
    assert min(first) > 0
    assert run(short) == first
    second = run(long)
    assert second > first
    assert run(long) == run(short) == second
