"""A real Ray cluster on this machine: no cell is lost or doubled when a node goes, and cells end as they do here."""

import fcntl
import io
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import activations
from bench import provenance
from bench.errors import UsageError
from bench.plan import Cell, make_plan
from bench.pool import Conditions
from bench.progress import Lines
from bench.ray_cluster import Cluster
from bench.ray_engine import RayEngine
from bench.ray_slot import Slots
from bench.records import Record
from bench.run import Runner, Summary
from bench.store import Store
from tasks import Task

from .conftest import PLUGIN, start_bench

# Ray starts its processes by a fork that becomes another program at once; other tests may have imported jax before.
pytestmark = pytest.mark.filterwarnings(r"ignore:os.fork\(\) was called:RuntimeWarning")
CPUS = Cluster(None, "cpu")
OURS = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
"""Nobody else on this machine gets at the clusters of these tests, and Ray keeps no token of theirs at home."""
CURIOUS = """
import os, sys
from pathlib import Path
from activations import load_plugin
load_plugin(Path({plugin!r}))
with open({trace!r}, "a") as trace:
    trace.write(f"{{os.environ['OMP_NUM_THREADS']}} {{'ray' in sys.modules}} {{os.environ['CUDA_VISIBLE_DEVICES']!r}}")
"""
"""A plugin that notes what a worker process is like when it has only just begun."""


@pytest.fixture(scope="module", autouse=True)
def our_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Before any test, since Ray looks when it is imported; test processes take turns, for clusters share ports."""
    turns = tmp_path_factory.getbasetemp().parent / "ray.lock"
    with turns.open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, value in OURS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head with room for one cell, whose workers note what they ran; tests add the other nodes."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_PAUSE", "0.15")
        patch.setenv("FAKE_TRACE", str(tmp_path_factory.mktemp("ray") / "trace"))
        started = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        patch.setenv("RAY_ADDRESS", started.address)
        yield started
        started.shutdown()


@pytest.fixture
def trace(nodes: Any) -> Path:
    """File in which the fake tasks note what they ran, empty."""
    path = Path(os.environ["FAKE_TRACE"])
    path.write_text("")
    return path


@pytest.fixture
def plan(fake_tasks: dict[str, Task]) -> Callable[..., tuple[Cell, ...]]:
    """Make the cells of some fake tasks."""

    def make(*names: str, seeds: Sequence[int] = (0,), functions: Sequence[str] = ("relu",)) -> tuple[Cell, ...]:
        specs = [fake_tasks[f"fake-{name}"].spec for name in names]
        return make_plan("smoke", specs, [activations.get(name) for name in functions], seeds).cells

    return make


def conditions(root: Path, timeout: float = 60, plugins: Sequence[Path] = (PLUGIN,)) -> Conditions:
    return Conditions(None, tuple(plugins), timeout, root / ".logs", root / ".programs")


def run(root: Path, engine: RayEngine, cells: Sequence[Cell], **options: Any) -> Summary:
    return Runner(Store(root), engine, Lines(io.StringIO()), **options).run(cells)


class AllAtOnce(RayEngine):
    """Begins once so many actors have come up."""

    first = 2

    def open(self) -> Slots:
        slots = super().open()
        while sum(slot.post is not None for slot in slots) < self.first:
            self.wait(1)
        return slots


class Watch(Lines):
    """Keeps what is said, and does something once so many cells have ended."""

    def __init__(self, acts: dict[int, Callable[[], object]]) -> None:
        super().__init__(io.StringIO())
        self.notes: list[str] = []
        self._acts = acts

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def finished(self, record: Record) -> None:
        super().finished(record)
        self._acts.pop(self._estimate.done, lambda: None)()


def test_a_node_is_killed_in_the_middle(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one joins later, and takes cells, too."""
    monkeypatch.setattr("bench.ray_engine.LOOK_EVERY", 0.5)
    doomed = nodes.add_node(num_cpus=1)
    cells = plan("good", seeds=range(12), functions=("relu", "gelu"))
    watch = Watch(
        {6: lambda: nodes.remove_node(doomed, allow_graceful=False), 8: lambda: nodes.add_node(num_cpus=1, wait=False)}
    )
    summary = Runner(Store(tmp_path), AllAtOnce(CPUS, conditions(tmp_path)), watch).run(cells)
    records = Store(tmp_path).load().records
    assert sorted(record.id for record in records) == sorted(cell.id for cell in cells)
    assert {record.outcome for record in records} == {"ok"}
    assert (len(summary.recorded), summary.left) == (len(cells), 0)
    assert any("its node, or Ray's actor there, is gone; it is run again" in note for note in watch.notes)
    ran = [line.split() for line in trace.read_text().splitlines()]
    assert len({(activation, seed) for _, activation, seed, _ in ran}) == len(cells)
    assert len({process for *_, process in ran}) >= 2
    for node in tuple(nodes.worker_nodes):
        nodes.remove_node(node)


class Lone(AllAtOnce):
    """Begins with three actors, and does something once a cell runs."""

    first = 3

    def __init__(self, *args: Any, act: Callable[[], object]) -> None:
        super().__init__(*args)
        self._acts = [act]

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if self._acts and any(slot._heard for slot in self._slots):
            self._acts.pop()()


def test_idle_workers_go_with_their_node(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One busy and two idle ones, as many as a cell may lose; another node takes over."""
    monkeypatch.setattr("bench.ray_engine.LOOK_EVERY", 0.5)
    doomed = nodes.add_node(num_cpus=3, num_gpus=1, env_vars={"FAKE_PAUSE": "5"})

    def lose() -> None:
        nodes.remove_node(doomed, allow_graceful=False)
        nodes.add_node(num_cpus=3, num_gpus=1)

    cells, watch = plan("good"), Watch({})
    engine = Lone(Cluster(None, "cuda", gpu_share=0.25), conditions(tmp_path), act=lose)
    Runner(Store(tmp_path), engine, watch).run(cells)
    for node in tuple(nodes.worker_nodes):
        nodes.remove_node(node)
    records = Store(tmp_path).load().records
    assert [(record.id, record.outcome) for record in records] == [(cells[0].id, "ok")]
    assert watch.notes == ["fake-good relu seed 0: its node, or Ray's actor there, is gone; it is run again"]


def test_an_actor_that_was_dead_before_its_job_is_no_loss(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.ray_engine.LOOK_EVERY", 0.2)
    monkeypatch.setattr("bench.run.MOST_LOSSES", 1)

    class Dead(AllAtOnce):
        first = 1

        def open(self) -> Slots:
            import ray

            slots = super().open()
            ray.kill(slots[0].post)
            return slots

    watch = Watch({})
    Runner(Store(tmp_path), Dead(CPUS, conditions(tmp_path)), watch).run(plan("good"))
    assert [record.outcome for record in Store(tmp_path).load().records] == ["ok"]
    assert len(watch.notes) == 1


def test_a_node_without_the_suite_is_left_out(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins in the middle; alone, it ends the run in a sentence."""
    monkeypatch.setattr("bench.ray_engine.LOOK_EVERY", 0.5)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['bench'] = None\n")
    bare = {"num_cpus": 2, "num_gpus": 1, "env_vars": {"PYTHONPATH": str(tmp_path)}}
    said: list[str] = []
    cells = plan("good", seeds=range(4))
    engine = RayEngine(CPUS, conditions(tmp_path), said.append)

    def tried() -> None:
        for _ in range(120):
            if not said:
                engine.wait(0.5)
                time.sleep(0.5)

    watch = Watch({1: lambda: nodes.add_node(**bare), 2: tried})
    Runner(Store(tmp_path), engine, watch).run(cells)
    with pytest.raises(UsageError, match=r"cannot run cells .*: install the suite there"):
        run(tmp_path / "alone", RayEngine(Cluster(None, "cuda"), conditions(tmp_path)), cells)
    for node in tuple(nodes.worker_nodes):
        nodes.remove_node(node)
    assert [record.outcome for record in Store(tmp_path).load().records] == ["ok"] * 4
    (sentence,) = said
    assert sentence.startswith("Left out: a node of the Ray cluster cannot run cells (")


def test_an_actor_that_cannot_greet_ends_in_a_sentence(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mute:
        def __init__(self, *_: Any) -> None:
            pass

        def greet(self) -> None:
            raise ValueError("no voice")

    monkeypatch.setattr("bench.ray_engine.Post", Mute)
    with pytest.raises(UsageError, match=r"cannot run cells \(ValueError: no voice\)"):
        run(tmp_path, RayEngine(CPUS, conditions(tmp_path)), plan("good"))


def test_a_loss_says_where_it_was(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An actor killed amid its only cell, again and again: the record is of the node, not of the driver."""
    monkeypatch.setattr("bench.ray_engine.LOOK_EVERY", 0.2)
    monkeypatch.setattr("bench.run.MOST_LOSSES", 1)
    held = replace(conditions(tmp_path), fuse=True)

    class Killing(RayEngine):
        def wait(self, seconds: float) -> None:
            import ray

            super().wait(seconds)
            for slot in self._slots:
                if slot.progress and slot.greeting:
                    slot.greeting = replace(slot.greeting, origin=replace(slot.greeting.origin, cpu="another"))
                    ray.kill(slot.post)

    summary = run(tmp_path, Killing(CPUS, held), plan("sleeps"))
    (record,) = summary.recorded
    assert (record.outcome, record.machine.cpu, record.machine.fused) == ("crashed", "another", True)
    assert record.reason == "1 workers were lost with it: its node, or Ray's actor there, is gone"
    assert record.times.total > 0
    assert record.started_at


def test_cells_end_as_they_do_on_one_machine(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]]
) -> None:
    """A killed worker is a crash and no loss; a time limit, missing data and seeds in one program work from afar."""
    cells = (
        *plan("kills", "sleeps", "misses", "breaks"),
        *plan("batched", seeds=(6, 7, 8)),
    )
    summary = run(tmp_path, RayEngine(CPUS, conditions(tmp_path, timeout=8)), cells, together=lambda cell: 3)
    ended = {(record.task.name, record.seed): (record.outcome, record.reason) for record in summary.recorded}
    assert ended == {
        ("fake-kills", 0): ("crashed", "the worker process was ended by SIGKILL (perhaps for want of memory)"),
        ("fake-sleeps", 0): ("timeout", "no score within 8 s"),
        ("fake-breaks", 0): ("crashed", "KeyError: '…/file.bin'"),
        ("fake-batched", 6): ("ok", ""),
        ("fake-batched", 7): ("diverged", "loss is nan at step 2"),
        ("fake-batched", 8): ("ok", ""),
    }
    assert "bench data prepare cifar10` (on the node " in summary.skipped["fake-misses"]
    ran = [line.split()[0] for line in trace.read_text().splitlines()]
    assert sorted(ran) == ["fake-batched", "fake-breaks", "fake-kills", "fake-misses", "fake-sleeps"], "none twice"
    here = provenance.here()
    for record in summary.recorded:
        assert (record.commit, record.machine.cpu, record.machine.threads) == (here.commit, here.cpu, 1)


def test_a_worker_is_a_fresh_process_with_its_threads_set(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]]
) -> None:
    curious = tmp_path / "curious.py"
    curious.write_text(CURIOUS.format(plugin=str(PLUGIN), trace=str(trace)))
    run(tmp_path, RayEngine(CPUS, conditions(tmp_path, plugins=[curious])), plan("good"))
    assert trace.read_text().startswith("1 False ''")


def test_two_cells_share_a_gpu_that_ray_names(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]]
) -> None:
    """On a node that claims to have one; its cells are fake, too."""
    curious = tmp_path / "curious.py"
    curious.write_text(CURIOUS.format(plugin=str(PLUGIN), trace=str(trace)))
    node = nodes.add_node(num_cpus=2, num_gpus=1)
    engine = AllAtOnce(Cluster(None, "cuda", gpu_share=0.5), conditions(tmp_path, plugins=[curious]))
    summary = run(tmp_path, engine, plan("good", seeds=(0, 1)))
    nodes.remove_node(node)
    assert [(record.machine.device, record.machine.threads) for record in summary.recorded] == [("cuda", 1)] * 2
    assert trace.read_text().count("1 False '0'") == 2


def test_a_plugin_that_a_node_lacks_is_named(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]]
) -> None:
    engine = RayEngine(CPUS, conditions(tmp_path, plugins=[tmp_path / "nowhere.py"]))
    summary = run(tmp_path, engine, plan("good"))
    assert "nowhere.py: put plugins at one path on every node" in summary.skipped["fake-good"]
    assert trace.read_text() == ""


def test_nodes_of_another_commit_run_nothing(
    nodes: Any, trace: Path, tmp_path: Path, plan: Callable[..., tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = replace(provenance.here(), commit="c0ffee" * 6 + "cafe")
    monkeypatch.setattr("bench.provenance.here", lambda: ours)
    with pytest.raises(UsageError, match=r"has commit \w+ of the suite, not c0ffeec0ffee: bring all nodes"):
        run(tmp_path, RayEngine(CPUS, conditions(tmp_path)), plan("good"))
    assert trace.read_text() == ""


def test_a_cluster_without_room_is_refused(nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no node .* has a GPU: use --device cpu"):
        RayEngine(Cluster(None, "cuda", gpu_share=0.25), conditions(tmp_path))


def test_an_interrupt_ends_the_workers_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Here on a cluster that the command starts for itself."""
    words = ["--plugin", str(PLUGIN), "--tasks", "fake-good", "--seeds", "0-30", "--results", str(tmp_path)]
    options = ["--engine", "ray", "--workers", "1", "--activations", "relu"]
    bench = start_bench("run", *options, *words, FAKE_PAUSE="0.15", RAY_ADDRESS="")
    assert bench.stderr is not None
    said = [bench.stderr.readline() for _ in range(2)]
    os.killpg(bench.pid, signal.SIGINT)
    _, rest = bench.communicate(timeout=60)
    assert said == ["31 cells under profile smoke, 1 at a time on cpu\n", said[1]]
    assert said[1].startswith("[1/31] fake-good relu seed 0: 80 %")
    assert "To go on: bench run --engine ray" in rest
    assert bench.returncode == 130
    assert 1 <= len(Store(tmp_path / "local").load().records) < 31


def test_no_cluster_and_no_ray_are_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        RayEngine(Cluster("127.0.0.1:1", "cpu"), conditions(tmp_path))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install -e '.\[ray\]'"):
        RayEngine(CPUS, conditions(tmp_path))


@pytest.mark.parametrize("wrong", [{"device": "cuda:1"}, {"workers": 0}, {"gpu_share": 0.0}, {"gpu_share": 1.5}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--"):
        replace(Cluster(None, "cuda"), **wrong)


def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes of 2 GPUs with 16 and 32 cores, and one without any: 4 workers a GPU get 2 threads each."""
    held = [(16, 2), (32, 2), (64, 0)]
    monkeypatch.setattr("bench.ray_cluster._nodes", lambda: ({"CPU": float(c), "GPU": float(g)} for c, g in held))
    cluster = Cluster(None, "cuda", gpu_share=0.25)
    lane = cluster.lane()
    assert (lane.device, lane.threads, lane.environment["OMP_NUM_THREADS"]) == ("cuda", 2, "2")
    assert "CUDA_VISIBLE_DEVICES" not in lane.environment, "Ray says which, on the node"
    assert cluster.room(lane) == 16
    assert replace(cluster, device="cpu").room(replace(lane, device="cpu", threads=1)) == 112
