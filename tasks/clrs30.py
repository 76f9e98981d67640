"""CLRS-30: a Triplet-GMPNN learns classical algorithms on small inputs and is tested on inputs of size 64.

Thirty tasks, one an algorithm, from the official package dm-clrs 2.0.3: its samplers, its model under the settings of
its examples/run.py, its evaluation (Velickovic et al., 2022, arXiv:2205.15659; Ibarz et al., 2022, arXiv:2209.11142).
Budgets are counted in steps, never in seconds.

jax reads its settings when it starts, so whoever starts the process sets them: `cpu_environment` says which. A process
may run any number of cells. On a machine with several GPUs, CUDA_VISIBLE_DEVICES must leave one.
Importing this file imports neither jax nor clrs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import clrs_data
from tasks.base import Context, Dataset, DataStatus, Diverged, Measurement, Metric, Reference, Selection, TaskSpec

if TYPE_CHECKING:
    from activations import Activation

ALGORITHMS = (
    "activity_selector",
    "articulation_points",
    "bellman_ford",
    "bfs",
    "binary_search",
    "bridges",
    "bubble_sort",
    "dag_shortest_paths",
    "dfs",
    "dijkstra",
    "find_maximum_subarray_kadane",
    "floyd_warshall",
    "graham_scan",
    "heapsort",
    "insertion_sort",
    "jarvis_march",
    "kmp_matcher",
    "lcs_length",
    "matrix_chain_order",
    "minimum",
    "mst_kruskal",
    "mst_prim",
    "naive_string_matcher",
    "optimal_bst",
    "quickselect",
    "quicksort",
    "segments_intersect",
    "strongly_connected_components",
    "task_scheduling",
    "topological_sort",
)

PUBLISHED = {
    "activity_selector": 95.18,
    "articulation_points": 88.32,
    "bellman_ford": 97.39,
    "bfs": 99.73,
    "binary_search": 77.58,
    "bridges": 93.99,
    "bubble_sort": 67.68,
    "dag_shortest_paths": 98.19,
    "dfs": 47.79,
    "dijkstra": 96.05,
    "find_maximum_subarray_kadane": 76.36,
    "floyd_warshall": 48.52,
    "graham_scan": 93.62,
    "heapsort": 31.04,
    "insertion_sort": 78.14,
    "jarvis_march": 91.01,
    "kmp_matcher": 19.51,
    "lcs_length": 80.51,
    "matrix_chain_order": 91.68,
    "minimum": 97.78,
    "mst_kruskal": 89.80,
    "mst_prim": 86.39,
    "naive_string_matcher": 78.67,
    "optimal_bst": 73.77,
    "quickselect": 0.47,
    "quicksort": 64.64,
    "segments_intersect": 97.64,
    "strongly_connected_components": 43.43,
    "task_scheduling": 87.25,
    "topological_sort": 87.27,
}
"""Mean test micro-F1 in % of the single-task Triplet-GMPNN over 10 seeds (Ibarz et al., 2022, table 2; checked against
table 3 of Chen et al., 2023, arXiv:2302.14838, which quotes it beside a rerun). Their mean is the overall 75.98 %."""

FEW_SIGNALS = {
    "binary_search": 64,
    "find_maximum_subarray_kadane": 32,
    "kmp_matcher": 64,
    "minimum": 64,
    "naive_string_matcher": 64,
    "quickselect": 64,
    "segments_intersect": 64,
}
"""Algorithms whose outputs are small, and how many times more samples the package evaluates them on."""


@dataclass(frozen=True)
class Recipe:
    """How one algorithm is trained and tested. Adam; no dropout, no teacher forcing; the best validation wins."""

    steps: int
    batch_size: int
    hidden: int
    train_lengths: tuple[int, ...]
    """Input sizes of the training batches, one after the other."""
    val_length: int
    val_samples: int
    test_length: int
    test_samples: int
    frozen_test: bool
    """Whether the test is the official frozen set instead of locally sampled trajectories."""
    eval_every: int
    """Steps between validations; the last step is validated as well."""
    lr: float = 1e-3
    grad_clip: float = 1.0
    """Largest global norm of the gradients."""
    nb_triplet_fts: int = 8


def cpu_environment(threads: int) -> dict[str, str]:
    """Environment variables that keep jax on the CPU, on `threads` threads; set them before jax is first imported.

    On a CPU most of a short run is compiling; a lower optimisation level shortens that, and the matrix products, which
    come from a library, stay as fast.
    """
    flags = ["--xla_backend_optimization_level=1", "--xla_llvm_disable_expensive_passes=true"]
    if threads == 1:
        flags.append("--xla_cpu_multi_thread_eigen=false")
    return {"JAX_PLATFORMS": "cpu", "NPROC": str(threads), "XLA_FLAGS": " ".join(flags)}


def recipes(algorithm: str) -> Mapping[str, Recipe]:
    """The recipes of one algorithm, by profile; `smoke` and `cpu` exist for a few algorithms only."""
    matcher = algorithm in ("naive_string_matcher", "kmp_matcher")
    samples = FEW_SIGNALS.get(algorithm, 1)
    paper = Recipe(
        steps=10_000,
        batch_size=32,
        hidden=128,
        train_lengths=(20,) if matcher else (4, 7, 11, 13, 16),  # the package trains its string matchers on 20 alone
        val_length=16,
        val_samples=64 * samples,
        test_length=64,
        test_samples=32 * samples,
        frozen_test=True,
        eval_every=50,
    )
    small = replace(paper, steps=2_000, val_samples=min(paper.val_samples, 256), eval_every=100)
    chosen = {"small": small, "paper": paper}
    if algorithm in LOCAL:
        local = replace(small, hidden=32, batch_size=16, train_lengths=(8,), val_length=8, val_samples=64)
        local = replace(local, frozen_test=False, eval_every=200)
        chosen |= {profile: replace(local, **changes) for profile, changes in LOCAL[algorithm].items()}
    return chosen


LOCAL: Mapping[str, Mapping[str, Any]] = {
    "bellman_ford": {
        "smoke": {"steps": 400, "test_samples": 32},
        "cpu": {"steps": 600, "test_samples": 32},
    },
    "bfs": {"cpu": {"steps": 400, "test_samples": 32}},
    "insertion_sort": {"cpu": {"steps": 600, "test_length": 16, "test_samples": 32}},
    "minimum": {"cpu": {"steps": 1_000, "test_length": 32, "test_samples": 256}},
}
"""Algorithms with `smoke` and `cpu` recipes, and what each takes. They leave room to rank activations, which bfs does
not (it saturates; in `cpu` it shows that learning is real). Sorting is tested at twice the length that it trains on,
not at 64: its trajectories grow with the square of the length, and so short a training leaves it at next to nothing.
segments_intersect is not among them: 1,000 such steps leave it at what answering yes every time would score, while its
`paper` recipe learns it within minutes on one core, so small are its graphs."""


SEEDS_TOGETHER: Mapping[str, int] = {"cpu": 1, "cuda": 8}
"""Seeds in one program, by kind of device. On a CPU a step of stacked networks takes longer than those of the networks
one after the other (benchmarks/results/seeds_together-cpu.md). On a GPU the step of one such small network is too short
to fill it; 8 is our choice, not yet measured on one."""


@dataclass(frozen=True)
class ClrsTask:
    """One algorithm of CLRS-30."""

    algorithm: str
    spec: TaskSpec

    def data_status(self, data: Path | None) -> DataStatus:
        """Always present: `smoke` and `cpu` sample their data; says what `small` and `paper` would still need."""
        if clrs_data.is_prepared(self.algorithm, data):
            return DataStatus(present=True)
        return DataStatus(True, f"Profiles small and paper need the frozen test sets: run `{clrs_data.COMMAND}`.")

    def run(self, activation: Activation, seed: int, recipe: Recipe, context: Context) -> Measurement:
        """Train and test one cell; see `tasks.base.Task.run`. `Measurement.score` is the test micro-F1 in %."""
        checksums = clrs_data.verify(self.algorithm, context.data) if recipe.frozen_test else {}
        clrs_data.import_clrs()
        from tasks.clrs_train import train_and_test

        measurement = train_and_test(self.algorithm, activation, seed, recipe, context, sites=self.spec.sites)
        return replace(measurement, dataset=checksums)

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: Recipe, context: Context
    ) -> list[Measurement | Diverged]:
        """Train and test the cells of several seeds in one program; see `tasks.base.SeedBatched.run_seeds`."""
        checksums = clrs_data.verify(self.algorithm, context.data) if recipe.frozen_test else {}
        clrs_data.import_clrs()
        from tasks.clrs_seeds import train_and_test

        ends = train_and_test(self.algorithm, activation, seeds, recipe, context, sites=self.spec.sites)
        return [end if isinstance(end, Diverged) else replace(end, dataset=checksums) for end in ends]

    def seeds_together(self, device: str) -> int:
        """How many seeds one program should train on a kind of device; see `SEEDS_TOGETHER`."""
        return SEEDS_TOGETHER[device.partition(":")[0]]


def _reference(algorithm: str) -> Reference:
    value = PUBLISHED[algorithm]
    end = 100.0 if value >= 50 else 0.0
    margin = max(2.0, abs(end - value) / 4)  # ours: seeds of algorithms that are hard to learn scatter more
    return Reference(
        value=value,
        low=max(0.0, round(value - margin, 2)),
        high=min(100.0, round(value + margin, 2)),
        source="Ibarz et al. (2022), A Generalist Neural Algorithmic Learner, arXiv:2209.11142, Triplet-GMPNN, "
        f"10,000 steps; the band is ours: 2 points, or a quarter of the way to {end:.0f} % where that is more",
    )


def _task(algorithm: str) -> ClrsTask:
    spec = TaskSpec(
        name=f"clrs30-{algorithm}",
        version=1,
        title=f"CLRS-30 {algorithm.replace('_', ' ')}, Triplet-GMPNN",
        family="clrs30",
        track="real",
        dataset=Dataset(
            name="CLRS-30 v1.0.0",
            source="Velickovic et al. (2022); sampled by dm-clrs 2.0.3, frozen test sets made by its tfds builder",
            command=clrs_data.COMMAND,
        ),
        model="Triplet-GMPNN of dm-clrs 2.0.3 (max-MPNN, 8 triplet features, gate, layer norm), one algorithm alone; "
        "initialisation and optimizer unchanged",
        sites=5,
        site_rule="All 5 ReLUs of the processor (triplet, message, message MLP, update, gate) are replaced; the gate's "
        "sigmoid, the max reductions and the softmax and sigmoid of decoded hints stay; encoders and decoders are "
        "linear (a pointer decoder takes a max of two linear maps, which stays). Triplet messages are read by decoders "
        "of pointers and edges only: where an algorithm has none (minimum), that site cannot change the score.",
        metric=Metric(name="test micro-F1", unit="%", higher_is_better=True, chance=None),
        recipes=recipes(algorithm),
        reference=_reference(algorithm),
        selection=Selection("best_val_score", higher_is_better=True),
    )
    return ClrsTask(algorithm, spec)


TASKS = tuple(_task(algorithm) for algorithm in ALGORITHMS)
