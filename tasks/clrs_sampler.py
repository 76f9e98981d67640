"""The process that draws one seed's stream of CLRS batches ahead: `tasks.clrs_stream.Ahead` starts it.

    python -m tasks.clrs_sampler

It reads from standard input which stream is wanted and writes its items, pickled, to standard output.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable
from typing import IO, Any

from tasks.clrs_stream import Failure, Opening, draw
from tasks.signals import ignore_interrupts


def main() -> None:
    """Write one stream, then end; end as well when nobody reads on."""
    ignore_interrupts()  # Ctrl-C reaches the whole group; the process that reads decides what it means
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes beside the stream
    algorithm, seed, recipe = pickle.load(sys.stdin.buffer)
    try:
        write(draw(algorithm, seed, recipe), pipe)
    except BrokenPipeError:
        os._exit(0)  # the interpreter would try to flush the pipe once more


def write(stream: Iterable[Any], pipe: IO[bytes]) -> None:
    """Write the items of a stream; one that fails ends with a `Failure`.

    Raises:
        BrokenPipeError: the reader is gone.
    """
    try:
        for item in stream:
            _send(plain(item), pipe)
    except BrokenPipeError:
        raise
    except Exception as error:
        _send(Failure(f"failed with {type(error).__name__}: {error}"), pipe)


def plain(item: Any) -> Any:
    """A batch as NumPy arrays, its features in the single precision that jax would round them to."""
    if isinstance(item, Opening):
        return item
    import jax
    import numpy as np

    def single(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return array.astype(np.float32) if array.dtype == np.float64 else array

    features, outputs = item.features, jax.tree_util.tree_map(np.asarray, item.outputs)
    return item._replace(features=jax.tree_util.tree_map(single, features), outputs=outputs)


def _send(item: Any, pipe: IO[bytes]) -> None:
    pickle.dump(item, pipe, protocol=5)
    pipe.flush()


if __name__ == "__main__":
    main()
