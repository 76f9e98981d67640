"""Where the trajectories of CLRS-30 come from: sampled, seeded, and frozen sets that are checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activations import get
from tasks import Context, MissingData, clrs30, clrs_data


def arrays(feedback: Any) -> dict[str, Any]:
    points = (*feedback.features.inputs, *feedback.features.hints, *feedback.outputs)
    return {point.name: np.asarray(point.data) for point in points}


def same(left: Any, right: Any) -> bool:
    a, b = arrays(left), arrays(right)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_training_batches_take_turns_in_length() -> None:
    samples = clrs_data.training_samples("minimum", (3, 5), 2, np.random.RandomState(0))
    shapes = [arrays(next(samples.batches))["key"].shape for _ in range(5)]
    assert shapes == [(2, 3), (2, 5), (2, 3), (2, 5), (2, 3)]
    assert samples.spec["pred"][0] == "input"  # its predecessor hint never changes: given, not predicted


def test_permutations_become_pointers_with_a_first_node() -> None:
    samples = clrs_data.local_test_samples("insertion_sort", 4, 2, 2)
    assert samples.spec["pred"][2] == "permutation_pointer"
    assert {point.name for point in next(samples.batches).outputs} == {"pred", "pred_mask"}


def test_samples_follow_the_seed() -> None:
    def draw(seed: int) -> Any:
        return next(clrs_data.training_samples("minimum", (4,), 2, np.random.RandomState(seed)).batches)

    assert same(draw(0), draw(0))
    assert not same(draw(0), draw(1))


def test_local_test_set_is_whole_and_the_same_at_every_call() -> None:
    first, second = (clrs_data.local_test_samples("minimum", 5, 5, 2).batches for _ in range(2))
    batches = [next(first) for _ in range(3)]
    assert [len(batch.features.lengths) for batch in batches] == [2, 2, 1]
    assert all(same(batch, next(second)) for batch in batches)
    keys = np.concatenate([arrays(batch)["key"] for batch in batches])
    assert len(np.unique(keys[:, 0])) == 5  # no sample twice
    assert same(next(first), batches[0])


def test_string_matchers_train_on_needles_of_any_length() -> None:
    batch = next(clrs_data.training_samples("naive_string_matcher", (20,), 16, np.random.RandomState(0)).batches)
    needles = arrays(batch)["string"].sum(axis=1)
    assert arrays(batch)["string"].shape == (16, 20)
    assert needles.min() >= 1
    assert 3 < len(np.unique(needles)) <= 8


def lay_out(data: Path) -> Path:
    """A prepared folder in miniature, whose content nobody reads."""
    folder = clrs_data.frozen_folder("bfs", data)
    folder.mkdir(parents=True)
    (folder / "records").write_bytes(b"trajectories")
    digest = hashlib.sha256(b"trajectories").hexdigest()
    (data / clrs_data.FOLDER / "bfs_test.sha256").write_text(f"{digest}  records\n", encoding="utf-8")
    return folder


def test_verified_checksums_are_returned(tmp_path: Path) -> None:
    lay_out(tmp_path)
    digest = hashlib.sha256(b"trajectories").hexdigest()
    assert clrs_data.verify("bfs", tmp_path) == {"bfs_test/records": f"sha256:{digest}"}


@pytest.mark.parametrize("damage", ["changed", "removed", "added", "gone", "listing"])
def test_a_damaged_set_is_refused(tmp_path: Path, damage: str) -> None:
    folder = lay_out(tmp_path)
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "removed":
        (folder / "records").unlink()
    elif damage == "listing":
        (tmp_path / clrs_data.FOLDER / "bfs_test.sha256").write_bytes(b"half a dig\xff")
    else:
        (folder / ("records" if damage == "changed" else "more")).write_bytes(b"trajectories?")
    with pytest.raises(MissingData, match="damaged: run `bench data prepare clrs30-bfs`"):
        clrs_data.verify("bfs", tmp_path)


def test_a_set_without_checksums_was_not_finished(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / clrs_data.FOLDER / "bfs_test.sha256").unlink()
    assert not clrs_data.is_prepared("bfs", tmp_path)
    with pytest.raises(MissingData, match="missing: run `bench data prepare clrs30-bfs`"):
        clrs_data.verify("bfs", tmp_path)


def test_a_cell_that_needs_the_frozen_set_says_so_before_any_training(tmp_path: Path) -> None:
    bfs = next(each for each in clrs30.TASKS if each.algorithm == "bfs")
    for data in (None, tmp_path):
        assert bfs.data_status(data).present
        assert "bench data prepare clrs30" in bfs.data_status(data).reason
        with pytest.raises(MissingData, match="bfs is missing"):
            bfs.run(get("relu"), 0, bfs.spec.recipes["paper"], Context(data=data))
    lay_out(tmp_path)
    assert bfs.data_status(tmp_path).reason == ""


def test_tensorflow_stays_away_until_it_is_needed_and_nothing_of_the_stand_ins_stays() -> None:
    code = """
import sys
from tasks import clrs_data
clrs = clrs_data.import_clrs()
assert clrs_data.import_clrs() is clrs
print({"tensorflow", "tensorflow_datasets", "clrs._src.dataset", "clrs._src.clrs_text"} & set(sys.modules))
print(clrs.__version__, clrs.build_sampler("bfs", num_samples=1, length=4)[0].next().outputs[0].name)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split("\n")[:2] == ["set()", "2.0.3 pi"]


def prepare_bfs(data: Path) -> str:
    """What the command says."""
    command = [sys.executable, "-m", "bench.cli", "data", "prepare", "clrs30-bfs", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_frozen_set_is_built_alone_and_has_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    due = "sha256:637f336545582ed05747364131b7060fc88f6b5edda7bd57aa1bd543af12d4a5"
    records = "clrs_dataset-test.tfrecord-00000-of-00001"
    assert prepare_bfs(tmp_path).endswith("1 built now, 0 there already and verified\n")
    assert not clrs_data.is_prepared("dfs", tmp_path)
    assert clrs_data.verify("bfs", tmp_path)[f"bfs_test/{records}"] == due
    assert prepare_bfs(tmp_path).endswith("0 built now, 1 there already and verified\n")
    (clrs_data.frozen_folder("bfs", tmp_path) / records).write_bytes(b"half of it")
    assert prepare_bfs(tmp_path).endswith("1 built now, 0 there already and verified\n")
    assert clrs_data.verify("bfs", tmp_path)[f"bfs_test/{records}"] == due


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:.*label.. is deprecated:DeprecationWarning")  # tensorflow-datasets on protobuf 6
def test_frozen_set_is_read_and_holds_the_package_s_own_samples() -> None:
    folder = os.environ.get("ACTIVATION_BENCH_DATA")
    if not folder or not clrs_data.is_prepared("bfs", Path(folder)):
        pytest.skip("set ACTIVATION_BENCH_DATA to a folder for which `bench data prepare clrs30` was run")
    checksums = clrs_data.verify("bfs", Path(folder))
    assert all(digest.startswith("sha256:") for digest in checksums.values())
    frozen, count = clrs_data.frozen_test_samples("bfs", Path(folder), 32)
    assert count == 32
    theirs = arrays(next(frozen.batches))
    ours = arrays(next(clrs_data.local_test_samples("bfs", 64, 32, 32).batches))  # the builder uses the same seed
    assert theirs["A"].shape == (32, 64, 64)
    order = [next(i for i in range(32) if np.array_equal(ours["A"][i], graph)) for graph in theirs["A"]]
    assert sorted(order) == list(range(32))
    assert np.array_equal(ours["pi"][order], theirs["pi"])
    assert np.array_equal(ours["reach_h"][:, order], theirs["reach_h"])
