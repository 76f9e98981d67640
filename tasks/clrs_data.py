"""Trajectories of the CLRS-30 algorithms: sampled by the official package, tested on its frozen test sets.

Training and validation trajectories are sampled on this machine (Ibarz et al., 2022, section 3.2). The frozen test
sets, v1.0.0, are what the package's own tfds builder makes from its fixed seed; `prepare` runs that builder, so that
nothing is downloaded. Importing this file imports neither clrs nor tensorflow.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.machinery
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks.base import MissingData

COMMAND = "bench data prepare clrs30"
FOLDER = Path("clrs30", "CLRS30_v1.0.0")
"""Where the frozen test sets lie inside the data folder; its last part is the package's own name for them."""

PREDECESSOR_AS_INPUT = (
    "activity_selector",
    "binary_search",
    "find_maximum_subarray_kadane",
    "jarvis_march",
    "kmp_matcher",
    "lcs_length",
    "matrix_chain_order",
    "minimum",
    "naive_string_matcher",
    "optimal_bst",
    "task_scheduling",
)
"""Algorithms whose predecessor hint never changes, and so is given as an input (the package's examples/run.py)."""

SPARSE_GRAPHS = ("articulation_points", "bridges", "mst_kruskal")
"""Algorithms trained on graphs with half as many edges: their trajectories would be very long otherwise."""

NEEDLE = -8
"""Training needles of the string matchers are 1 to 8 characters long, drawn for each sample."""

LOCAL_TEST_SEED = 3
"""Seed of locally sampled test sets (the package's own test seed): one set for every activation and every seed."""


@dataclass(frozen=True)
class Samples:
    """An endless supply of batches."""

    spec: Mapping[str, Any]
    """The algorithm's specification, after the changes that the package makes to it."""
    batches: Iterator[Any]
    """Yields `clrs.Feedback`: inputs and outputs (batch, ...), hints (time, batch, ...)."""


def import_clrs() -> ModuleType:
    """Import the official package, without its tensorflow where nobody has imported that yet.

    Its samplers, model and evaluation never call tensorflow, which costs 20 s and 600 MB; `import_reader` brings it.
    """
    logging = importlib.import_module("absl.logging")
    logging.set_verbosity(logging.ERROR)  # it warns of every unused sampler argument
    if "clrs" not in sys.modules and "tensorflow" not in sys.modules:
        with _without_tensorflow():
            return importlib.import_module("clrs")
    return importlib.import_module("clrs")


def import_reader() -> ModuleType:
    """Import the package's tfds builder and reader, `clrs._src.dataset`, with the real tensorflow."""
    tensorflow = importlib.import_module("tensorflow")
    tensorflow.config.set_visible_devices([], "GPU")  # it reads files here; the GPU's memory belongs to jax
    import_clrs()
    probing = importlib.import_module("clrs._src.probing")
    vars(probing)["tf"] = tensorflow  # an earlier light import left a stand-in there
    return importlib.import_module("clrs._src.dataset")


@contextlib.contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Let stand-ins answer for tensorflow and for the two submodules of clrs that call it, during one import."""
    readers = ("CLRSDataset", "create_dataset", "create_chunked_dataset", "chunkify")
    exported = (*readers, "get_clrs_folder", "get_dataset_gcp_url")
    contents: dict[str, dict[str, Any]] = {
        "tensorflow": {"Tensor": type("Tensor", (), {})},
        "clrs._src.clrs_text": {},
        "clrs._src.dataset": dict.fromkeys(exported),
    }
    for name, attributes in contents.items():
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(attributes)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in contents:
            del sys.modules[name]


def training_samples(algorithm: str, lengths: Sequence[int], batch_size: int, rng: Any) -> Samples:
    """Sample fresh trajectories without end, one batch of each length in turn.

    `rng` is a `numpy.random.RandomState`; building the samplers consumes from it, in the order of `lengths`.
    """
    samples = [_processed(algorithm, _on_the_fly(algorithm, length, batch_size, rng), rng) for length in lengths]
    return Samples(samples[0].spec, (next(source) for source in cycle([each.batches for each in samples])))


def validation_samples(algorithm: str, length: int, count: int, batch_size: int, rng: Any) -> Samples:
    """Sample `count` trajectories once, then draw batches from them with replacement, as the package does."""
    sampler, _ = import_clrs().build_sampler(
        algorithm, seed=rng.randint(2**32), num_samples=count, length=length, **_training_arguments(algorithm)
    )
    return _processed(algorithm, _repeat(lambda: sampler.next(batch_size)), rng)


def local_test_samples(algorithm: str, length: int, count: int, batch_size: int) -> Samples:
    """Sample the test set locally: the same `count` trajectories in the same batches at every call."""
    sampler, _ = import_clrs().build_sampler(algorithm, seed=LOCAL_TEST_SEED, num_samples=count, length=length)
    whole = sampler.next()
    starts = cycle(range(0, count, batch_size))
    return _processed(algorithm, _repeat(lambda: _part(whole, next(starts), batch_size)))


def frozen_test_samples(algorithm: str, data: Path, batch_size: int) -> tuple[Samples, int]:
    """Read an official frozen test set through the package's tensorflow pipeline; return it and its sample count."""
    reader = import_reader()
    dataset, count, _ = reader.create_dataset(str(data / FOLDER), algorithm, "test", batch_size)
    return _processed(algorithm, dataset.as_numpy_iterator()), int(count)


def frozen_folder(algorithm: str, data: Path) -> Path:
    """The folder that holds one algorithm's frozen test set."""
    return data / FOLDER / "clrs_dataset" / f"{algorithm}_test" / "1.0.0"


def is_prepared(algorithm: str, data: Path | None) -> bool:
    """Whether one algorithm's frozen test set was built completely (its checksums are written last)."""
    return data is not None and _checksum_file(algorithm, data).is_file()


def prepare(
    folder: Path,
    algorithms: Sequence[str],
    progress: Callable[[str, int, int], None] = lambda algorithm, done, total: None,
) -> int:
    """Build official frozen test sets under the data folder `folder`, offline; return how many were built.

    A set that is whole by its checksums is kept, any other is built anew. All 30 take some minutes and 3.4 GB.
    `progress` gets the algorithm, how many are done, of how many.
    """
    built = 0
    for done, algorithm in enumerate(algorithms):
        progress(algorithm, done, len(algorithms))
        if not _is_whole(algorithm, folder):
            _build(algorithm, folder)
            built += 1
        progress(algorithm, done + 1, len(algorithms))
    return built


def _is_whole(algorithm: str, data: Path) -> bool:
    try:
        verify(algorithm, data)
    except MissingData:
        return False
    return True


def _build(algorithm: str, data: Path) -> None:
    reader, folder = import_reader(), frozen_folder(algorithm, data)
    _checksum_file(algorithm, data).unlink(missing_ok=True)
    if folder.exists():  # the builder would take a damaged set for a finished one
        shutil.rmtree(folder)
    with _quiet_tfds():
        builder = reader.CLRSDataset(data_dir=str(data / FOLDER), config=f"{algorithm}_test")
        builder.download_and_prepare()
    for file in folder.glob("*.tfrecord*"):
        _order_fields(file)
    _checksum_file(algorithm, data).write_bytes(_listing(_sums(folder)))


def _order_fields(file: Path) -> None:
    """Write a file of the builder again with the fields of each example in one order.

    protobuf writes them in whatever order its hash table has, so that each build of the same set has other bytes; in
    one order its checksum says whether two machines tested on the same samples. Sets of before are not in that order.
    """
    tensorflow = importlib.import_module("tensorflow")
    ordered = file.with_name("ordered")
    with tensorflow.io.TFRecordWriter(str(ordered)) as writer:
        for record in tensorflow.data.TFRecordDataset(str(file)).as_numpy_iterator():
            writer.write(tensorflow.train.Example.FromString(record).SerializeToString(deterministic=True))
    ordered.replace(file)


def verify(algorithm: str, data: Path | None) -> dict[str, str]:
    """Check one frozen test set against the checksums that `prepare` wrote; return file name to `sha256:digest`.

    Raises:
        MissingData: the set is absent, incomplete or damaged.
    """
    if data is None or not is_prepared(algorithm, data):
        raise MissingData(f"The frozen CLRS-30 test set of {algorithm} is missing: run `{COMMAND}-{algorithm}`.")
    folder = frozen_folder(algorithm, data)
    sums = _sums(folder) if folder.is_dir() else {}
    if not sums or _listing(sums) != _checksum_file(algorithm, data).read_bytes():
        raise MissingData(f"The frozen CLRS-30 test set of {algorithm} is damaged: run `{COMMAND}-{algorithm}`.")
    return {f"{algorithm}_test/{name}": f"sha256:{digest}" for name, digest in sums.items()}


def _training_arguments(algorithm: str) -> dict[str, Any]:
    densities = [0.1 + 0.1 * i for i in range(9)]
    if algorithm in SPARSE_GRAPHS:
        densities = [density / 2 for density in densities]
    return {"p": tuple(densities), "length_needle": NEEDLE}


def _on_the_fly(algorithm: str, length: int, batch_size: int, rng: Any) -> Iterator[Any]:
    sampler, _ = import_clrs().build_sampler(
        algorithm, seed=rng.randint(2**32), num_samples=-1, length=length, **_training_arguments(algorithm)
    )
    return _repeat(lambda: sampler.next(batch_size))


def _processed(algorithm: str, batches: Iterator[Any], rng: Any | None = None) -> Samples:
    """Apply the package's changes to a raw supply; positions are made random where `rng` is given."""
    clrs = import_clrs()
    spec = clrs.SPECS[algorithm]
    if rng is not None:
        batches = clrs.process_random_pos(batches, rng)
    if algorithm in PREDECESSOR_AS_INPUT:
        spec, batches = clrs.process_pred_as_input(spec, batches)
    spec, batches = clrs.process_permutations(spec, batches, True)
    return Samples(spec, batches)


def _repeat(draw: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield draw()


def _part(feedback: Any, start: int, size: int) -> Any:
    """Take samples `start` to `start + size`: the batch is axis 0, but axis 1 in hints."""
    subsample = importlib.import_module("clrs._src.samplers")._subsample_data
    rows = range(start, min(start + size, len(feedback.features.lengths)))
    features = feedback.features._replace(
        inputs=subsample(feedback.features.inputs, rows),
        hints=subsample(feedback.features.hints, rows, axis=1),
        lengths=feedback.features.lengths[list(rows)],
    )
    return feedback._replace(features=features, outputs=subsample(feedback.outputs, rows))


def _checksum_file(algorithm: str, data: Path) -> Path:
    return data / FOLDER / f"{algorithm}_test.sha256"


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in `folder`, by name, in order."""
    sums = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _listing(sums: Mapping[str, str]) -> bytes:
    """What the checksum file holds, in the format of sha256sum."""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keep tfds from drawing its own progress bars and from printing where it writes."""
    tfds = importlib.import_module("tensorflow_datasets")
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
