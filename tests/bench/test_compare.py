"""Pairs by seed, ranks by family, and nothing averaged over what is missing."""

import json

import pytest

import activations
from bench.clrs import ALGORITHMS, clrs_mean
from bench.compare import RELU, Board, Spread, make_boards, make_table, paired
from bench.records import Record

from .conftest import MakeRecord


def board_of(records: list[Record]) -> Board:
    (board,) = make_boards(records)
    return board


def test_spread() -> None:
    assert Spread.of([]) is None
    assert Spread.of([2.0]) == Spread(2.0, None, 1, 2.0, 2.0)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, 2**0.5, 2, 1.0, 3.0)


def test_differences_are_paired_by_seed() -> None:
    found = paired({0: 92.0, 1: 95.0, 9: 0.0}, {0: 90.0, 1: 94.0, 2: 100.0})
    assert found == Spread(1.5, 0.5**0.5, 2, 1.0, 2.0)
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_a_table_pairs_each_row_with_relu(make_record: MakeRecord) -> None:
    scores = {"relu": (90.0, 94.0), "gelu": (92.0, 95.0)}
    table = make_table([make_record("t", name, seed, scores[name][seed]) for name in scores for seed in (0, 1)])
    assert [row.label for row in table.rows] == ["gelu", "relu"]
    assert table.by_label["gelu"].difference == Spread(1.5, 0.5**0.5, 2, 1.0, 2.0)
    assert table.by_label["relu"].difference is not None
    assert table.by_label["relu"].difference.mean == 0


def test_lower_can_be_better(make_record: MakeRecord) -> None:
    records = [make_record("t", name, 0, score, higher=False) for name, score in (("relu", 0.5), ("gelu", 0.1))]
    board = board_of(records)
    assert [row.label for row in board.tables[0].rows] == ["gelu", "relu"]


def test_a_row_with_a_failed_cell_has_a_gap(make_record: MakeRecord) -> None:
    records = [make_record("t", name, seed, 90.0) for name in ("relu", "gelu") for seed in (0, 1)]
    records += [make_record("t", "sine", 0, 99.0), make_record("t", "sine", 1, outcome="diverged")]
    board = board_of(records)
    assert board.gaps("gelu") == []
    assert board.gaps("sine") == ["t: 1 diverged of 2"]


def test_a_row_without_a_task_has_a_gap(make_record: MakeRecord) -> None:
    records = [make_record(task, "relu") for task in ("a", "b")] + [make_record("a", "gelu", score=99.0)]
    board = board_of(records)
    assert board.gaps("relu") == []
    assert board.gaps("gelu") == ["b was not run"]


def test_without_relu_every_row_has_a_gap(make_record: MakeRecord) -> None:
    board = board_of([make_record("a", "gelu")])
    assert board.gaps("gelu") == ["a shares no seed with ReLU"]


def test_profiles_and_tracks_never_share_a_board(make_record: MakeRecord) -> None:
    records = [
        make_record("a"),
        make_record("b", track="real"),
        make_record("b", track="real", profile="cpu"),
        make_record("b", track="real", profile="cpu", seed=1),
    ]
    boards = make_boards(records)
    assert [(board.profile, board.track, len(board.tables)) for board in boards] == [
        ("cpu", "real", 1),
        ("smoke", "real", 1),
        ("smoke", "stand-in", 1),
    ]


def test_versions_and_recipes_of_a_task_never_mix(make_record: MakeRecord) -> None:
    records = [make_record("t", seed=seed, version=1, score=10.0) for seed in range(5)]
    records += [make_record("t", seed=seed, version=2, recipe={"steps": 1}, score=20.0) for seed in range(2)]
    records += [make_record("t", seed=seed, version=2, recipe={"steps": 2}, score=30.0) for seed in range(3)]
    table = make_table(records)
    assert table.task.version == 2
    assert {record.score for record in table.records} == {30.0}
    assert table.outdated == 7


def test_one_function_under_two_names_is_one_row_and_two_under_one_are_two(make_record: MakeRecord) -> None:
    same = [make_record("t", "silu", 0, graph_hash="one"), make_record("t", "swish-1", 1, graph_hash="one")]
    assert [row.label for row in make_table(same).rows] == ["silu"]
    other = [make_record("t", "mine", 0, graph_hash="aaaaaaaa"), make_record("t", "mine", 0, graph_hash="bbbbbbbb")]
    assert [row.label for row in make_table(other).rows] == ["mine (aaaaaa)", "mine (bbbbbb)"]
    close = [make_record("t", "mine", 0, graph_hash="aaaaaa11"), make_record("t", "mine", 0, graph_hash="aaaaaa22")]
    assert [row.label for row in make_table(close).rows] == ["mine (aaaaaa11)", "mine (aaaaaa22)"]


def test_cost_is_compared_within_a_day_only(make_record: MakeRecord) -> None:
    relu, gelu = make_record("t", "relu", train=2.0), make_record("t", "gelu", train=3.0)
    for started, ratio in (("2026-01-03T03:04:05+00:00", 1.5), ("2026-01-03T03:04:06+00:00", None), ("never", None)):
        later = gelu.model_copy(update={"started_at": started})
        assert make_table([relu, later]).by_label["gelu"].time_ratio == ratio


def test_time_that_holds_compilation_is_not_compared(make_record: MakeRecord) -> None:
    held = [make_record("c", name, train=train, family="clrs30") for name, train in (("relu", 2.0), ("gelu", 3.0))]
    row = make_table(held).by_label["gelu"]
    assert row.time_ratio is None
    apart = [each.model_copy(update={"times": each.times.model_copy(update={"compile": 9.0})}) for each in held]
    assert make_table([held[0], apart[1]]).by_label["gelu"].time_ratio is None
    assert make_table(apart).by_label["gelu"].time_ratio == 1.5


@pytest.mark.parametrize(("family", "ratio_on_a_gpu"), [("clrs30", None), ("molecules", 1.0)])
def test_memory_of_a_process_that_hoards_is_not_compared(
    make_record: MakeRecord, family: str, ratio_on_a_gpu: float | None
) -> None:
    held = [make_record("t", name, family=family) for name in ("relu", "gelu")]
    assert make_table(held).by_label["gelu"].memory_ratio is None
    gpu = {"device": "cuda", "gpu": "a GPU", "peak_gpu_memory_mib": 100.0}
    on_gpu = [each.model_copy(update={"machine": each.machine.model_copy(update=gpu)}) for each in held]
    assert make_table(on_gpu).by_label["gelu"].memory_ratio == ratio_on_a_gpu


def test_where_no_guess_is_named_learning_counts_from_0(make_record: MakeRecord) -> None:
    held = [make_record("c", "relu", score=10.0), make_record("c", "gelu", score=16.0)]
    unnamed = [
        record.model_copy(
            update={"task": record.task.model_copy(
                update={"metric": record.task.metric.model_copy(update={"chance": None})}
            )}
        )
        for record in held
    ]  # fmt: skip
    table = make_table(unnamed)
    assert [table.learns(name) for name in ("relu", "gelu")] == [False, True]


def test_cost_is_compared_on_the_same_machine_only(make_record: MakeRecord) -> None:
    relu, gelu = make_record("t", "relu", train=2.0), make_record("t", "gelu", train=3.0)
    heavy = gelu.model_copy(update={"machine": gelu.machine.model_copy(update={"peak_memory_mib": 250.0})})
    row = make_table([relu, heavy]).by_label["gelu"]
    assert (row.time_ratio, row.memory_ratio) == (1.5, 2.5)
    moved = gelu.model_copy(update={"machine": gelu.machine.model_copy(update={"cpu": "another"})})
    row = make_table([relu, moved]).by_label["gelu"]
    assert (row.time_ratio, row.memory_ratio) == (None, None)


def test_costs_of_a_row_are_of_one_kind_of_machine_and_of_one_that_other_rows_have(make_record: MakeRecord) -> None:
    def cell(name: str, seed: int, cpu: str, train: float) -> Record:
        record = make_record("t", name, seed, train=train)
        return record.model_copy(update={"machine": record.machine.model_copy(update={"cpu": cpu})})

    ratios = {"gelu": (("old", 2.0), ("old", 2.0), ("new", 4.0)), "silu": (("new", 5.0),), "sine": (("old", 3.0),)}
    ratios["mish"] = (("old", 7.0), ("old", 7.0), ("new", 9.0))
    table = []
    for name, cells in ratios.items():
        table += [cell(name, 10 * list(ratios).index(name) + i, cpu, ratio) for i, (cpu, ratio) in enumerate(cells)]
    table += [cell("relu", record.seed, record.machine.cpu, 1.0) for record in table]
    found = {label: row.times for label, row in make_table(table).by_label.items()}
    assert [found[name] for name in ratios] == [(2.0, 2.0), (5.0,), (3.0,), (7.0, 7.0)]
    rarer = [record for record in table if record.activation.name != "sine"]
    assert make_table(rarer).by_label["gelu"].times == (4.0,)


def clrs_records(make_record: MakeRecord, algorithms: int) -> list[Record]:
    return [
        make_record(f"clrs30-a{number:02}", name, seed, number + seed + bonus, family="clrs30", track="real")
        for number in range(algorithms)
        for name, bonus in (("relu", 0), ("gelu", 3))
        for seed in (0, 1)
    ]


def test_the_clrs_mean_is_formed_of_all_thirty_only(make_record: MakeRecord) -> None:
    records = clrs_records(make_record, ALGORITHMS)
    table = clrs_mean(board_of(records))
    assert table is not None
    assert table.by_label["relu"].scores == {0: 14.5, 1: 15.5}
    assert table.by_label["gelu"].difference == Spread(3.0, 0.0, 2, 3.0, 3.0)
    assert clrs_mean(board_of(clrs_records(make_record, ALGORITHMS - 1))) is None


def test_a_seed_that_lacks_an_algorithm_has_no_clrs_mean(make_record: MakeRecord) -> None:
    records = clrs_records(make_record, ALGORITHMS)
    dropped = records.pop(records.index(next(r for r in records if r.activation.name == "gelu" and r.seed == 1)))
    assert dropped.seed == 1
    table = clrs_mean(board_of(records))
    assert table is not None
    assert set(table.by_label["gelu"].scores) == {0}
    assert set(table.by_label["relu"].scores) == {0, 1}


def test_a_function_that_fails_on_one_algorithm_has_failed_on_the_clrs_mean(make_record: MakeRecord) -> None:
    records = clrs_records(make_record, ALGORITHMS)
    records.append(make_record("clrs30-a03", "gelu", 2, outcome="diverged", family="clrs30", track="real"))
    table = clrs_mean(board_of(records))
    assert table is not None
    assert [record.outcome for record in table.by_label["gelu"].failures] == ["diverged"]
    assert not table.by_label["gelu"].complete
    assert table.by_label["relu"].complete


def test_differences_that_scatter_by_rounding_alone_are_equal() -> None:
    equal = paired({seed: 0.1 * seed + 0.32 for seed in range(5)}, {seed: 0.1 * seed for seed in range(5)})
    assert equal is not None
    assert equal.mean == pytest.approx(0.32)
    assert equal.sd == 0
    real = paired({0: 90.0, 1: 90.00001}, {0: 80.0, 1: 80.0})
    assert real is not None
    assert real.sd


def test_relu_is_known_by_its_graph(make_record: MakeRecord) -> None:
    """Neither another name of ReLU nor another function of its name can take the baseline away."""
    assert json.loads(activations.get("relu").graph.to_json()) == RELU
    relu, gelu = make_record("t", "relu", 0, 90.0), make_record("t", "gelu", 0, 92.0)
    graph = relu.activation.graph_hash
    renamed = make_record("t", "a-plain-relu", 1, 91.0, graph_hash=graph)
    renamed = renamed.model_copy(update={"activation": renamed.activation.model_copy(update={"graph": RELU})})
    forged = make_record("t", "relu", 0, 10.0, graph_hash="0" * 16)
    forged = forged.model_copy(update={"activation": forged.activation.model_copy(update={"graph": {"nodes": []}})})
    for records in ([relu, gelu, renamed, forged], [forged, renamed, gelu, relu]):
        table = make_table(records)
        assert set(table.by_label) == {"relu", "relu (000000)", "gelu"}
        assert table.by_label["relu"].scores == {0: 90.0, 1: 91.0}
        assert table.by_label["gelu"].difference == Spread.of([2.0])
    assert make_table([forged, gelu]).by_label["gelu"].difference is None
    only_renamed = make_table([renamed, make_record("t", "gelu", 1, 92.0)])
    assert only_renamed.by_label["gelu"].difference == Spread.of([1.0])


def test_a_built_in_name_wins_then_the_commonest(make_record: MakeRecord) -> None:
    names = [("a-gelu", 0), ("a-gelu", 1), ("gelu", 2)]
    assert list(make_table([make_record("t", n, s, graph_hash="one") for n, s in names]).by_label) == ["gelu"]
    names = [("b", 0), ("b", 1), ("a", 2)]
    assert list(make_table([make_record("t", n, s, graph_hash="one") for n, s in names]).by_label) == ["b"]
