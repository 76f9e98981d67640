"""The board says what the records say: all of it, nothing else, and always in the same bytes."""

import random

import pytest

from bench.leaderboard import render
from bench.records import Record
from bench.store import Loaded

from .conftest import MakeRecord, record_fields


def board(records: list[Record], *damaged: str) -> str:
    return render(Loaded(tuple(records), damaged))


@pytest.fixture
def records(make_record: MakeRecord) -> list[Record]:
    """On each track one task with five seeds, on which gelu gains 0.5 and a little more at some seeds."""
    found = [
        make_record(task, name, seed, 90 + seed + bonus + bonus * seed / 50, track=track, family=family)
        for task, track, family in (("digits", "stand-in", "vision"), ("lab-feynman", "real", "lab"))
        for name, bonus in (("relu", 0), ("gelu", 0.5))
        for seed in range(5)
    ]
    return [*found, make_record("digits", "sine", 0, outcome="diverged", family="vision")]


def test_the_same_records_give_the_same_bytes(records: list[Record]) -> None:
    first = board(records)
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert board(records) == first


def section(text: str, head: str, level: str = "### ") -> str:
    return text.partition(f"{level}{head}\n")[2].partition(f"\n{level}")[0]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def row_of(text: str, name: str) -> dict[str, str]:
    """The first row that holds a name in its first two cells, by the heads of its table."""
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("|") and name in cells(line)[:2])
    head = next(lines[i - 1] for i in range(place, 0, -1) if lines[i].startswith("|:"))
    return dict(zip(cells(head), cells(lines[place]), strict=True))


def test_a_task_shows_scores_differences_and_verdicts(records: list[Record]) -> None:
    row = row_of(section(board(records), "digits"), "gelu")
    assert row["score"] == "92.52 ± 1.60 (5)"
    assert row["difference to ReLU"] == "+0.52 [+0.50, +0.54]"
    assert row["verdict"] == "better"
    assert float(row["p (Holm)"]) < 1e-6
    assert (row["beats ReLU"], row["swapped / left"], row["failed"]) == ("60%", "2 / 0", "0 of 5")
    assert (row["time"], row["memory"]) == ("1.00 (5)", "1.00 (5)")
    text = section(board(records), "digits")
    assert "5 pairs a row, differences scatter by 0.02 (pooled): a difference of 0.03 shows with 80 % power." in text
    assert "Region of equivalence: ±0.20. Pairing by seed takes " in text


def test_the_ranking_of_a_board(records: list[Record]) -> None:
    stand_in = board(records).partition("## Profile `smoke`, stand-ins")[2]
    row = row_of(section(stand_in, "Ranking"), "gelu")
    assert (row["rank"], row["verdicts"], row["time"], row["pointwise"], row["diverged"]) == (
        "1",
        "▲1",
        "1.00",
        "yes",
        "0%",
    )
    assert row["field"].startswith("+0.012 [+0.012")
    assert (row_of(section(stand_in, "Ranking"), "relu")["rank"], row["◆"]) == ("2", "◆")
    assert "* Better than ReLU: gelu on digits." in section(stand_in, "At a glance")


def test_few_seeds_are_said_to_be_few(records: list[Record]) -> None:
    text = board([record for record in records if record.seed < 3])
    row = row_of(section(text, "digits"), "gelu")
    assert (row["verdict"], row["p (Holm)"], row["resolves"]) == ("not enough seeds", "", "")
    assert "3 pairs a row" in section(text, "digits")
    assert "too few for a verdict (5 are the fewest)" in section(text, "digits")
    assert "1 of 2 comparisons have not enough seeds to say" in text.partition("stand-ins")[2]


def test_rows_of_different_seeds_say_which_have_no_verdict(make_record: MakeRecord) -> None:
    """ReLU and GELU have six seeds, SiLU has two of them."""
    held = [
        make_record("t", name, seed, 80 + seed * (1 + 0.1 * place), family="vision")
        for place, (name, seeds) in enumerate({"relu": 6, "gelu": 6, "silu": 2}.items())
        for seed in range(seeds)
    ]
    text = section(board(held), "t\n")
    assert "* Seeds: 0-5 for gelu, relu; 0,1 for silu." in text
    assert "2 to 6 pairs a row, differences scatter by" in text
    assert "shows with 80 % power of 6 pairs; rows below 5 get no verdict. 5 pairs " in text
    assert row_of(section(board(held), "Tasks"), "t (% ↑)")["pairs"] == "2 to 6"
    assert "no ranked activation could be tested" not in board(held)
    few = board([record for record in held if record.seed < 2])
    assert "no ranked activation could be tested against another: their pairs are too few" in few


def test_a_row_is_repeated_by_its_command(records: list[Record]) -> None:
    text = board(records)
    assert "`bench run --profile smoke --tasks lab-feynman --activations gelu,relu --seeds 0-4`" in text
    assert "commit c0ffeec0ffee: 11 cells" in text


def test_a_mined_function_is_marked_where_it_was_mined(records: list[Record]) -> None:
    assert "†" not in board(records).partition("## Profile")[2]
    mined = [
        record.model_copy(update={"activation": record.activation.model_copy(update={"mined_on": ("lab-feynman",)})})
        if record.activation.name == "gelu"
        else record
        for record in records
    ]
    marked = [line for line in board(mined).partition("## Profile")[2].splitlines() if "†" in line]
    assert len(marked) == 3  # its difference, its score, its row
    assert all(cells(line)[0] == "gelu" for line in marked)
    assert "†" not in section(board(mined), "digits")
    assert "* gelu was mined on lab-feynman." in board(mined)


def test_a_retuned_column_stands_beside_the_fixed_recipe(records: list[Record]) -> None:
    tuning = {
        "lr": "lr", "base": 0.1, "factors": [0.5, 1, 2], "seeds": [1000, 1001], "metric": "valid",
        "higher_is_better": True, "trials": {}, "means": [0.1, 0.2, 0.3], "chosen": 2,
    }  # fmt: skip
    tuned = [
        Record.model_validate(
            record_fields(
                "digits",
                name,
                seed,
                90 + seed + bonus * (1 + seed / 50),
                family="vision",
                profile="smoke-tuned",
                recipe={"steps": 3, "lr": 0.2},
            )
            | {"tuning": tuning}
        )
        for name, bonus in (("relu", 0), ("gelu", 0.5))
        for seed in range(5)
    ]
    text = board([*records, *tuned])
    assert "re-tuned\n\n### At a glance" not in text
    row = row_of(section(text, "digits"), "gelu")
    assert row["score"] == "92.52 ± 1.60 (5)"  # the fixed recipe's own seeds, not ten
    assert row["re-tuned: score"] == "92.52 ± 1.60 (5), lr ×2"
    assert row["re-tuned: difference"] == "+0.52 [+0.50, +0.54] ▲"
    assert row_of(section(text.partition("stand-ins")[2], "Ranking"), "gelu")["field, re-tuned"].startswith("+0.012")
    assert "* Learning rates were re-tuned on 1 of 1 task, for so many activations: digits (2)." in text
    more = [record.model_copy(update={"task": record.task.model_copy(update={"name": "other"})}) for record in records]
    partly = board([*records, *[r for r in more if r.task.track == "stand-in" and r.outcome == "ok"], *tuned])
    assert "field, re-tuned" not in partly
    assert "re-tuned: difference" in section(partly, "digits")
    assert "0.1 times one of 0.5, 1, 2, by the highest mean valid over seeds 1000, 1001" in text
    assert "`bench tune --profile smoke --tasks digits" in text
    alone = board(tuned)
    assert "## Profile `smoke`, stand-ins, learning rate re-tuned" in alone


def test_stand_ins_stand_apart(records: list[Record]) -> None:
    text = board(records)
    real, stand_in = text.index("## Profile `smoke`, real"), text.index("## Profile `smoke`, stand-ins")
    assert real < text.index("### lab-feynman") < stand_in < text.index("### digits")
    assert "lab-feynman" not in text[stand_in:]
    assert "* Stand-in data:" in text[stand_in:]


def test_what_is_missing_is_named(records: list[Record]) -> None:
    text = board(records)
    assert "* sine: digits: 1 diverged of 1" in text
    assert row_of(section(text, "digits"), "sine")["verdict"] == "failed"
    failure = row_of(section(text, "Failures"), "sine")
    assert (failure["task"], failure["outcome"], failure["reason"]) == ("digits", "diverged", "it diverged")
    some = board([record for record in records if (record.task.name, record.activation.name) != ("digits", "gelu")])
    assert "gelu" not in section(some.partition("stand-ins")[2], "Scores")


def test_a_reference_is_held_against_relu_under_paper_only(make_record: MakeRecord) -> None:
    reference = {"value": 95.0, "low": 94.0, "high": 96.0, "source": "a paper"}

    def anchor(*scores: float, profile: str = "paper") -> str:
        cells = [
            make_record("t", "relu", n, score, profile=profile, reference=reference) for n, score in enumerate(scores)
        ]
        return next(line for line in board(cells).splitlines() if line.startswith("* Anchor"))

    assert "Anchor: anchored: ReLU scores 94.50 ± 0.50 (3), accepted is 94.00 to 96.00" in anchor(94.0, 94.5, 95.0)
    assert "Anchor: not anchored" in anchor(93.8, 93.9, 94.0)
    assert "Anchor: not anchored" in anchor(96.0, 96.1, 96.2)
    assert "Anchor: too few seeds: ReLU scores 94.25 ± 0.35 (2), accepted is 94.00 to 96.00 for" in anchor(94.0, 94.5)
    assert "not the published protocol" in anchor(94.0, 94.5, 95.0, profile="cpu")


def test_text_of_strangers_cannot_break_a_table(make_record: MakeRecord) -> None:
    nasty = make_record("t", outcome="crashed").model_copy(update={"reason": "a | b\n| c |\n# head"})
    line = next(line for line in board([nasty]).splitlines() if "a \\|" in line)
    assert line.endswith("a \\| b \\| c \\| # head |")


def test_text_of_strangers_is_no_markup(make_record: MakeRecord) -> None:
    evil = "<script>alert(1)</script> ![x](http://x.test/pixel.png) <!--"
    record = make_record("t", outcome="crashed").model_copy(update={"reason": evil, "notes": (evil,), "commit": evil})
    facts = record.task.model_copy(update={"title": evil, "model": evil, "site_rule": evil, "dataset": evil})
    machine = record.machine.model_copy(update={"cpu": evil})
    text = board([record.model_copy(update={"task": facts, "machine": machine, "versions": {"python": evil}})])
    assert "alert(1)" in text
    assert "<script" not in text
    assert "](http" not in text
    assert "<!--" not in text


def test_a_task_that_few_have_run_takes_nobodys_rank(records: list[Record], make_record: MakeRecord) -> None:
    more = [make_record("digits", name, seed, 90 + seed, family="vision") for name in "abc" for seed in range(5)]
    text = board([*records, *more, make_record("new", "relu"), make_record("new", "gelu")])
    ranking = section(text.partition("stand-ins")[2], "Ranking")
    assert row_of(ranking, "a")["rank"] == row_of(ranking, "relu")["rank"] == "2"
    assert "* new counts for no rank: less than half of the regular activations were run on it." in text
    half = [make_record("new", name) for name in ("relu", "gelu", "a", "b")]
    assert "* c: new was not run" in board([*records, *more, *half])


def test_who_comes_for_one_task_or_one_seed_has_no_say_in_what_counts(make_record: MakeRecord) -> None:
    def scored(task: str, names: str, seeds: int, score: float = 80.0) -> list[Record]:
        return [
            make_record(task, name, seed, score + seed * (len(name) + 1), family="vision")
            for name in names.split()
            for seed in range(seeds)
        ]

    regulars = [*scored("c", "relu gelu silu", 5), *scored("d", "relu gelu silu", 5)]
    visitors = "v1 v2 v3 v4 v5 v6 v7 v8"
    for more in (scored("new", f"relu {visitors}", 5), scored("new", visitors, 1), scored("c", visitors, 1, 51.0)):
        ranking = section(board([*regulars, *more]), "Ranking")
        assert row_of(ranking, "silu")["rank"] == "1"
    assert "* new counts for no rank: less than half of the regular" in board([*regulars, *scored("new", "v1", 9)])
    few = [*scored("c", "relu", 5), *scored("d", "relu gelu mish silu", 2), *scored("e", "relu", 5)]
    ranking = section(board(few), "Ranking")
    assert row_of(ranking, "silu")["rank"] == "1?", "ReLU alone does not decide, either"


def test_a_task_that_relu_hardly_learns_is_named(make_record: MakeRecord) -> None:
    def warned(score: float) -> bool:
        held = [
            make_record("t", name, seed, score + seed, family="vision") for name in ("relu", "gelu") for seed in (0, 1)
        ]
        return "ReLU hardly learns t" in board(held)

    assert warned(52.0)
    assert not warned(70.0)


def test_a_task_that_few_learn_counts_where_there_is_no_other(make_record: MakeRecord) -> None:
    def scored(task: str, family: str, **scores: float) -> list[Record]:
        return [make_record(task, name, score=score, family=family) for name, score in scores.items()]

    weak = scored("weak", "vision", relu=51.0, gelu=52.0)
    text = board(weak)
    assert row_of(section(text, "Ranking"), "gelu")["field"].startswith("+0.693")
    assert "log-ratios there are large, and weigh on the means" in text
    good = scored("good", "vision", relu=70.0, gelu=70.0, a=71.0)
    text = board([*weak, *good])
    ranking = section(text, "Ranking")
    assert row_of(ranking, "gelu")["field"].startswith("+0.000")
    assert row_of(ranking, "a")["rank"] == "1?", "the task that it was not run on counts for no rank; it has one pair"
    assert "* weak counts for no rank: 0 of 2 regular activations learn it." in text
    learned = scored("weak", "vision", relu=51.0, gelu=70.0, a=72.0)
    ranking = section(board([*learned, *good]), "Ranking")
    assert row_of(ranking, "gelu")["field"].startswith("+1.498"), "ReLU's failure is no reason to leave a task out"


def test_refused_files_are_named(records: list[Record]) -> None:
    assert "* smoke/digits/x.json is no valid record" in board(records, "smoke/digits/x.json is no valid record")


def test_cells_of_a_gpu_profile_that_a_cpu_ran_name_the_device(make_record: MakeRecord) -> None:
    text = board([make_record("t", name, profile="paper") for name in ("relu", "gelu")])
    assert "`bench run --profile paper --device cpu --tasks t --activations gelu,relu --seeds 0`" in text


def test_a_function_from_a_file_needs_its_file(make_record: MakeRecord) -> None:
    text = board([make_record("t", name) for name in ("relu", "my-own")])
    assert "--activations my-own,relu --seeds 0 --plugin FILE`" in text


def test_no_records_is_said(records: list[Record]) -> None:
    assert "There are no records yet" in board([])


def test_what_counts_for_no_rank_counts_for_no_verdict_of_the_ranking(make_record: MakeRecord) -> None:
    """Of five regular functions two were run on `new`, where SiLU is better than ReLU."""

    def scored(task: str, **worth: float) -> list[Record]:
        return [
            make_record(task, name, seed, 80 + more + seed * (1 + more / 50), family="vision")
            for name, more in worth.items()
            for seed in range(5)
        ]

    usual = [*scored("c", relu=0, gelu=1, silu=2, mish=3, elu=4), *scored("d", relu=0, gelu=1, silu=2, mish=3, elu=4)]
    text = board([*usual, *scored("new", relu=0, silu=9)])
    assert "silu on new (counts for no rank)" in section(text, "At a glance")
    assert row_of(section(text, "Ranking"), "silu")["verdicts"] == "▲2"
