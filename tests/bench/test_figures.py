"""Pictures of a board: there for what there is to draw, the same bytes in any process, legible without colour."""

import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.compare import Board
from bench.evidence import Evidence, gather
from bench.figures import caption, draw, drawable, is_ours, of_task, picture
from bench.figures_parts import MOST_SIGNS, Named, ends, put_names, reach, short, slug
from bench.figures_points import MOST_NAMED, costed, placed
from bench.figures_ranks import MOST_TASKS, _chosen, _pairs, _tests, blocks, correlated
from bench.figures_tasks import LINES, LOOKS, MOST_CURVES, MOST_ROWS, POINTS, _averaged, _limit, _looks, curved
from bench.inference import Estimate
from bench.judge import SIGNS, TaskJudgement
from bench.records import Record
from bench.store import Store
from bench.style import DASHES, figure

from .conftest import ROOT, record_fields

TASKS = {"vision-a": "vision", "vision-b": "vision", "molecules-c": "molecules", "lab-d": "lab"}
SMALL = {
    "lab-field.svg", "cost.svg", "critical-difference.svg", "tau.svg",
    *(f"{kind}-{task}.svg" for kind in ("forest", "curves") for task in TASKS),
}  # fmt: skip


def make(
    gains: dict[str, float],
    tasks: dict[str, str] = TASKS,
    seeds: int = 6,
    failed: tuple[str, str, int] | None = None,
    steps: int = 120,
) -> Evidence:
    """A board on which every activation is better than ReLU by its gain, give or take a little by task and seed."""
    records = []
    for place, (task, family) in enumerate(tasks.items()):
        lab = family == "lab"
        for order, (name, gain) in enumerate(gains.items()):
            for seed in range(seeds):
                wobble = 0.3 * math.sin(7 * order + 3 * seed + place) if name != "relu" else 0.0
                score = 80 + seed + gain + wobble
                fields = record_fields(
                    task, name, seed, -score / 10 if lab else score, family=family, higher=not lab,
                    unit="log10 loss" if lab else "%", train=2.0 + order,
                    outcome="diverged" if failed == (task, name, seed) else "ok",
                )  # fmt: skip
                fields["activation"]["pointwise"] = order % 3 != 2
                fields["curves"] = {"train_loss": [(2 + order) / (1 + step) for step in range(steps)]}
                records.append(Record.model_validate(fields))
    (evidence,) = gather(records)
    return evidence


@pytest.fixture(scope="module")
def small() -> Evidence:
    return make({"relu": 0, "good": 2.0, "bad": -2.0, "same": 0.4, "better": 4.0, "worst": -5.0})


@pytest.fixture(scope="module")
def large() -> Evidence:
    """More activations and tasks than a picture holds; one activation is far worse than the others."""
    gains = {"relu": 0.0, **{f"f{i:02d}-of-the-family-with-long-names": 0.4 * i - 6 for i in range(28)}, "off": -60.0}
    families = ("vision", "molecules", "lab")
    return make(gains, {f"task-{i:02d}": families[i % 3] for i in range(MOST_TASKS + 2)}, seeds=5)


@pytest.fixture(scope="module")
def drawn(small: Evidence, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    import matplotlib

    before = dict(matplotlib.rcParams)
    paths = draw(small, tmp_path_factory.mktemp("pictures") / "new")
    assert dict(matplotlib.rcParams) == before
    return {path.name: path.read_text() for path in paths}


def texts(svg: bytes | str) -> list[str]:
    """What a reader reads in a picture."""
    return ["".join(node.itertext()).strip() for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def judged(evidence: Evidence, task: str) -> TaskJudgement:
    return evidence.by_task[task]


def without_curves(evidence: Evidence) -> Evidence:
    records = [record for table in evidence.board.tables for record in table.records]
    return gather(record.model_copy(update={"curves": {}}) for record in records)[0]


def test_every_picture_is_named_before_it_is_drawn(small: Evidence, drawn: dict[str, str]) -> None:
    assert tuple(drawn) == drawable(small)
    assert set(drawn) == SMALL
    assert of_task("lab-d", drawable(small)) == ("forest-lab-d.svg", "curves-lab-d.svg")
    assert of_task("lab", drawable(small)) == ()


def test_a_picture_holds_no_address_no_date_and_no_trace_of_a_machine(drawn: dict[str, str]) -> None:
    for name, text in drawn.items():
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg", name
        assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text), name
        assert not re.search(r"\d{4}-\d\d-\d\d|matplotlib|DOCTYPE|mathdefault", text, re.IGNORECASE), name
        assert texts(text), name


def test_another_process_with_another_order_of_sets_draws_the_same_bytes(
    small: Evidence, drawn: dict[str, str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results")
    for table in small.board.tables:
        for record in table.records:
            store.folder(record.profile, record.task.name).mkdir(parents=True, exist_ok=True)
            (store.folder(record.profile, record.task.name) / record.file_name).write_text(record.to_json())
    code = (
        "import sys; from pathlib import Path; from bench.evidence import gather; from bench.figures import draw;"
        "from bench.store import Store; root = Path(sys.argv[1]);"
        "draw(gather(Store(root / 'results').load().records)[0], root / 'pictures')"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "77"}, check=True
    )
    again = {path.name: path.read_text() for path in (tmp_path / "pictures").iterdir()}
    assert again == drawn


def test_what_can_be_drawn_is_known_without_matplotlib() -> None:
    code = (
        "import sys; from pathlib import Path; from bench.evidence import gather; from bench.figures import drawable;"
        "from bench.store import Store; found = gather(Store(Path('results')).load().records);"
        "names = [name for one in found for name in drawable(one)]; sys.exit(not names or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_two_activations_on_one_task_are_enough_for_three_pictures(tmp_path: Path) -> None:
    for seeds in (1, 5):
        tiny = make({"relu": 0, "good": 2.0}, {"vision-a": "vision"}, seeds=seeds)
        assert drawable(tiny) == ("cost.svg", "forest-vision-a.svg", "curves-vision-a.svg")
        assert all(path.stat().st_size > 1000 for path in draw(tiny, tmp_path))


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    empty = Evidence(Board("cpu", "real", ()), (), (), {}, None)
    assert drawable(empty) == ()
    assert draw(empty, tmp_path) == []
    alone = make({"relu": 0})
    assert {name.partition("-")[0] for name in drawable(alone)} == {"curves"}
    assert drawable(without_curves(alone)) == ()
    with pytest.raises(KeyError):
        picture("cost.svg", alone)


def test_curves_need_records_that_hold_them(small: Evidence) -> None:
    assert set(drawable(without_curves(small))) == {name for name in SMALL if not name.startswith("curves")}


def test_captions_are_one_plain_sentence(small: Evidence) -> None:
    for name in drawable(small):
        text = caption(name)
        assert text.endswith(".")
        assert not re.search(r"[\n|<>\"\[\]{}]|\. ", text), name
    assert "on vision-a with" in caption("forest-vision-a.svg")
    assert len({caption(name) for name in drawable(small)}) == len(SMALL)


def test_a_forest_says_verdict_and_pairs_in_words() -> None:
    evidence = make({"relu": 0, "good": 2.0, "bad": -2.0, "same": 0.0, "lost": 3.0}, failed=("vision-a", "lost", 4))
    read = texts(picture("forest-vision-a.svg", evidence))
    assert {"good", "bad", "same", "lost", "better (6)", "worse (6)", "failed (1 of 6)"} <= set(read)
    assert "relu" not in read
    assert read.index("good") < read.index("bad") < read.index("lost")
    assert "shaded: within ±0.2 counts as no different" in read
    assert "better →" in read
    assert "lower is better, so the axis is turned round; better →" in texts(picture("forest-lab-d.svg", evidence))


def test_better_is_to_the_right_whatever_the_metric() -> None:
    """From left to right the numbers at the axis rise where higher is better and fall where lower is better."""
    two = make({"relu": 0, "good": 2.0})
    for task, sign in (("vision-a", 1), ("lab-d", -1)):
        nodes = ET.fromstring(picture(f"forest-{task}.svg", two)).iter("{http://www.w3.org/2000/svg}text")
        ticks = {
            float(node.attrib["x"]): sign * float(node.text.replace("−", "-"))
            for node in nodes
            if node.text and re.fullmatch(r"−?[\d.]+", node.text)
        }
        assert len(ticks) >= 3
        assert [ticks[place] for place in sorted(ticks)] == sorted(ticks.values()), task


def test_a_forest_of_many_shows_the_best_and_the_worst(large: Evidence) -> None:
    read = texts(picture("forest-task-00.svg", large))
    assert f"{29 - MOST_ROWS} between left out" in read
    assert sum("(5)" in text for text in read) == MOST_ROWS
    assert any(text.startswith("−59") for text in read), "what lies outside is given as a number"
    assert not any(len(text) > MOST_SIGNS for text in read if "…" in text)


def test_one_wild_interval_does_not_squeeze_the_others(large: Evidence) -> None:
    rows = [row for row in judged(large, "task-00").rows if row.verdict]
    assert 3 < _limit(rows, 0.2) < 12
    assert _limit(rows[:1], 50.0) == 65.0


def test_shapes_and_dashes_differ_without_colour() -> None:
    assert set(LOOKS) == set(SIGNS) - {"failed"}
    assert len({look["marker"] for look in LOOKS.values()}) == len(LOOKS)
    assert len(set(map(str, LINES))) == len(LINES) == MOST_CURVES
    assert DASHES[0] not in LINES


def test_a_function_looks_the_same_on_every_task(small: Evidence) -> None:
    looks = [_looks([row.label for row in curved(table)]) for table in small.board.tables]
    assert all(one == looks[0] for one in looks)
    assert curved(small.board.tables[0])[0].label == "relu"


def test_a_point_of_a_curve_is_the_mean_of_its_part_of_the_training() -> None:
    values = _averaged([[float(i) for i in range(100)], [1.0] * 101])
    assert values.shape == (2, POINTS)
    assert values[0].tolist() == [2 * i + 0.5 for i in range(POINTS)]
    assert _averaged([[3.0, 2.0, 1.0]]).tolist() == [[3.0, 2.0, 1.0]]


def test_a_steep_loss_is_drawn_on_a_logarithmic_axis_with_plain_numbers(drawn: dict[str, str]) -> None:
    read = texts(drawn["curves-vision-a.svg"])
    assert {"0.03", "0.1", "1", "mean and range over 6 seeds"} <= set(read)
    flat = make({"relu": 0, "good": 1.0}, {"vision-a": "vision"}, steps=4)
    assert "1.5" in texts(picture("curves-vision-a.svg", flat))


def test_points_are_the_numbers_of_the_board(small: Evidence) -> None:
    overall = {row.label: row for row in small.overall}
    assert [spot.label for spot in placed(small)] == ["better", "good", "same", "relu", "bad", "worst"]
    for spot in placed(small):
        assert (spot.x, spot.y) == (overall[spot.label].lab, overall[spot.label].field)
    kinds = {spot.label: spot.kind for spot in placed(small)}
    assert (kinds["relu"], kinds["bad"]) == ("pointwise", "not pointwise")
    for spot in costed(small):
        assert spot.x.value == small.costs[spot.label].time
        assert (spot.kind == "on the Pareto front") == small.costs[spot.label].frontier


def test_points_of_many_name_relu_and_both_ends(large: Evidence) -> None:
    for name in ("lab-field.svg", "cost.svg"):
        read = texts(picture(name, large))
        assert "relu" in read
        assert any("others lie between" in text for text in read)
        assert sum("…" in text for text in read) <= MOST_NAMED


def test_names_cover_neither_points_nor_each_other() -> None:
    from matplotlib.transforms import Bbox

    spots = [Named(f"a name of some length {i}", 0.1 * (i % 3), 0.1 * (i // 3)) for i in range(9)]
    with figure(6, 5) as drawn:
        axes = drawn.subplots()
        axes.set(xlim=(-0.5, 0.7), ylim=(-0.5, 0.7))
        put_names(axes, spots, [(spot.x, spot.y) for spot in spots], [(0.0, -0.5, 0.0, 0.7)])
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        dots = [axes.transData.transform((spot.x, spot.y)) for spot in spots]
        assert len(boxes) == len(spots)
        assert not any(boxes[i].overlaps(boxes[j]) for i in range(9) for j in range(i))
        assert not any(Bbox.from_extents(x - 1, y - 1, x + 1, y + 1).overlaps(box) for x, y in dots for box in boxes)
        assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_mean_ranks_need_three_of_both_and_a_difference() -> None:
    three = {"relu": 0, "good": 1.0, "bad": -1.0}
    tasks = {f"task-{i}": "vision" for i in range(3)}
    found = blocks(make(three, tasks))
    assert found is not None
    assert found.labels == ["bad", "good", "relu"]
    assert all(gains[1] > gains[2] > gains[0] for gains in found.gains)
    assert blocks(make({"relu": 0, "good": 1.0}, tasks)) is None
    assert blocks(make(three, {"task-0": "vision", "task-1": "vision"})) is None
    records = [
        Record.model_validate(record_fields(task, name, seed, 50.0, family="vision"))
        for task in tasks
        for name in three
        for seed in (0, 1)
    ]
    assert blocks(gather(records)[0]) is None


def test_pairs_are_tested_only_after_friedman() -> None:
    import pandas as pd

    same = pd.DataFrame([[1.0, 2, 3], [3, 2, 1], [2, 3, 1], [2, 1, 3]], columns=["a", "b", "c"])
    words, p_values = _tests(same)
    assert "no difference shown" in words
    assert p_values.to_numpy().min() == 1
    apart = pd.DataFrame([[1.0 + i, 2 + i, 30 + i] for i in range(12)], columns=["a", "b", "c"])
    words, p_values = _tests(apart)
    assert "χ² = 24.0, p < 0.0001" in words
    ab, ac = p_values.to_numpy()[0, 1:]
    assert ac < 0.001 < 0.01 < ab


def test_ranks_are_read_off_the_picture(drawn: dict[str, str]) -> None:
    read = texts(drawn["critical-difference.svg"])
    assert {"better 1.0", "good 2.0", "6.0 worst"} <= set(read)
    assert "Mean rank over 3 tasks, 1 is best" in read


def test_correlations_stand_in_the_cells(small: Evidence, drawn: dict[str, str]) -> None:
    read = texts(drawn["tau.svg"])
    cells = [text for text in read if re.fullmatch(r"[+−]\d\.\d|0|–", text)]
    assert len(cells) == len(TASKS) * (len(TASKS) - 1) // 2 == len(_pairs(small))
    assert {"lab-d (lab)", "molecules-c (field)"} <= set(read)
    assert [table.task.family for table in correlated(small)][-1] == "lab"


def test_of_many_tasks_those_that_agree_most_and_least_are_shown(large: Evidence) -> None:
    chosen, hidden = _chosen(correlated(large), _pairs(large))
    assert (len(chosen), hidden) == (MOST_TASKS, 2)
    assert [table for table in correlated(large) if table in chosen] == chosen
    assert "2 tasks left out: those shown agree most and least with the rest" in texts(picture("tau.svg", large))


def test_a_task_on_which_relu_is_at_chance_is_in_no_correlation() -> None:
    evidence = make({"relu": 0, "gelu": 1, "silu": 2, "mish": -1})
    lost = [
        record.model_copy(update={"score": 50.0 - record.seed}) if record.task.name == "vision-a" else record
        for table in evidence.board.tables
        for record in table.records
    ]
    (worse,) = gather(lost)
    assert {table.task.name for table in correlated(worse)} == {"vision-b", "molecules-c", "lab-d"}
    assert "vision-a" not in " ".join(texts(picture("tau.svg", worse)))


def test_our_own_pictures_are_known_by_name(small: Evidence) -> None:
    assert all(map(is_ours, drawable(small)))
    assert not any(map(is_ours, ("mine.svg", "cost.png", "forest.svg")))


def test_both_ends_of_a_list() -> None:
    assert ends([1, 2, 3], 3) == ([1, 2, 3], [], 0)
    assert ends(list(range(10)), 5) == ([0, 1, 2], [8, 9], 5)


def test_names_of_files_and_of_rows() -> None:
    assert slug("clrs30 (mean of 30)") == "clrs30-mean-of-30"
    assert slug("clrs30-bellman_ford") == "clrs30-bellman_ford"
    assert short("gelu-sinc-perturbation") == "gelu-sinc-perturbation"
    cut = short("a-name-that-is-far-too-long (abc123)")
    assert cut.endswith(" (abc123)")
    assert len(cut) == MOST_SIGNS


def test_an_axis_holds_its_values_but_not_all_of_a_long_interval() -> None:
    nan = Estimate(1.0, math.nan, math.nan)
    low, high = reach([1.0, 2.0], [nan, Estimate(2.0, -100.0, 2.5)])
    assert low < -1.9
    assert low > -3
    assert 2.5 < high < 3
    low, high = reach([0.0], [])
    assert low < 0 < high
