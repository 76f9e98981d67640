"""Each kind of damage or forgery is named and refused; what an honest run can give passes."""

import json
import math
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import activations
import tasks
import tasks.registry
from activations import Activation
from activations.plugins import run_file
from bench import messages
from bench.answer import plain
from bench.build import build_record
from bench.devices import lanes
from bench.errors import UsageError
from bench.plan import make_plan
from bench.soundness import faults_of
from bench.validate import Report, show, validate

from .conftest import ROOT, record_fields, run_bench
from .forging import Fields, become, published, put, sentences


def test_committed_records_are_sound() -> None:
    report = validate(ROOT / "results")
    assert sentences(report) == ""
    assert report.records >= 135


@pytest.mark.parametrize("task", ["cifar10-vgg16", "clrs30-bfs", "lab-harmonics", "molhiv-gcn"])
def test_a_sound_record_passes(tmp_path: Path, task: str) -> None:
    put(tmp_path, published(task))
    assert validate(tmp_path) == Report(1, ())


def with_score(score: float, **metrics: float) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        fields["score"] = score
        fields["metrics"] |= metrics

    return change


def merged(**parts: Any) -> Callable[[Fields], None]:
    """Change fields, one level deep where they are mappings."""

    def change(fields: Fields) -> None:
        for name, value in parts.items():
            fields[name] = fields[name] | value if isinstance(value, dict) else value

    return change


TOMORROW = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds")
GELU = json.loads(activations.get("gelu").graph.to_json())
CROSSENTROPY = {"name": "top-1 accuracy", "unit": "%", "higher_is_better": False, "chance": 10.0}
BAND = {"value": 90.0, "low": 10.0, "high": 99.0, "source": "ours"}
FAILED: Fields = {"outcome": "diverged", "score": None}

FORGERIES: dict[str, tuple[Callable[[Fields], None], str]] = {
    "unknown field": (merged(host="a computer"), r"no valid record \(host"),
    "no graph": (merged(activation={"graph": {"nodes": []}}), "holds a graph that cannot be read"),
    "no such output": (merged(activation={"graph": {**GELU, "outputs": ["v99"]}}), "cannot be read"),
    "another graph": (merged(activation={"graph": GELU}), "holds another graph"),
    "borrowed name": (merged(activation={"name": "gelu"}), "is called gelu but holds another function"),
    "not pointwise": (merged(activation={"pointwise": False}), "pointwise=False, and its graph says otherwise"),
    "cheap": (merged(activation={"flops": 0.5}), "states 0.5 FLOPs an element where its graph takes 1"),
    "title": (merged(task={"title": "ImageNet"}), r"other facts than version 1 of its task \(title\)"),
    "track": (merged(task={"track": "stand-in"}), r"\(track\)"),
    "sites": (
        merged(task={"sites": 1}, injection={"found": 1, "swapped": 1, "sites": ["a"]}),
        r"\(sites\)",
    ),
    "metric": (merged(task={"metric": CROSSENTROPY}), r"\(metric.higher_is_better\)"),
    "reference": (merged(task={"reference": BAND}), r"\(reference\)"),
    "version": (merged(task={"version": 99}), "version 99 of its task, and this checkout knows 1"),
    "recipe": (merged(recipe={"epochs": 9}), "another recipe than cifar10-vgg16 has for the profile cpu"),
    "profile": (merged(profile="paper"), "another recipe than cifar10-vgg16 has for the profile paper"),
    "no such profile": (merged(profile="fast"), "for the profile fast"),
    "data": (merged(dataset={"test_batch": "md5:0"}), r"other data than is published \(test_batch\)"),
    "no data": (lambda fields: fields["dataset"].clear(), "names no checksum of CIFAR-10"),
    "no hexadecimal commit": (merged(commit="<script>"), "names '<script>' as its commit, which is not 40 hex"),
    "half a commit": (merged(commit="89bb41d"), "not 40 hex digits"),
    "commit in capitals": (merged(commit="A" * 40), "not 40 hex digits"),
    "commit and a line": (merged(commit="a" * 40 + "\n"), "not 40 hex digits"),
    "formula": (merged(activation={"formula": "x"}), r"other things of relu than the catalogue \(formula\)"),
    "paper": (merged(activation={"reference": "a journal", "origin": "mined"}), r"\(reference, origin\)"),
    "mined": (merged(activation={"mined_on": ["cifar10-vgg16"]}), r"\(mined_on\)"),
    "no curves": (lambda fields: fields["curves"].clear(), "no curve of two points or more"),
    "curves of a point": (lambda fields: fields.update(curves={"a": [1.0], "b": [2.0]}), "no curve of two points"),
    "above all": (with_score(133.0, test_top1=133.0), "score 133 %, outside of 0 to 100"),
    "below all": (with_score(-1.0, test_top1=-1.0), "outside of 0 to 100"),
    "score alone": (with_score(99.0), "the score 99, which none of its metrics is"),
    "score and metric": (with_score(99.0, test_top1=99.0), "gives 99 as its test_top1 where the curve ends at"),
    "score and a new metric": (
        lambda fields: fields.update(score=99.0, metrics={**fields["metrics"], "x": 99.0, "test_loss": 0.1}),
        "gives 0.1 as its test_loss where",
    ),
    "not finite": (
        lambda fields: fields["curves"]["train_loss"].__setitem__(3, "NaN"),
        "its train_loss is not finite throughout",
    ),
    "no time": (merged(times={"train": 0.0}), r"times that no run can take \(train 0 s\)"),
    "negative time": (merged(times={"eval": -1.0}), r"\(eval -1 s\)"),
    "no total": (merged(times={"total": 0.0}), r"\(total 0 s\)"),
    "infinite time": (merged(times={"train": "Infinity"}), r"\(train inf s\)"),
    "part above the whole": (merged(times={"train": 99.0, "total": 60.0}), r"longer to train \(99 s\) than in all"),
    "compiled above the whole": (merged(times={"compile": 999.0}), r"longer to compile \(999 s\) than in all"),
    "parts above the whole": (
        merged(times={"train": 50.0, "train_cpu": 50.0, "eval": 50.0, "total": 60.0}),
        r"longer in its parts \(100 s\) than in all \(60 s\)",
    ),
    "too many cores": (merged(times={"train_cpu": 999.0}), "more processor time than 2 cores have"),
    "more than its training": (
        merged(times={"train": 10.0, "train_cpu": 32.0, "total": 100.0}),
        "more processor time than 2 cores have",
    ),
    "no processor": (merged(times={"train_cpu": 0.0}), r"\(train_cpu 0 s\)"),
    "negative memory": (merged(machine={"peak_memory_mib": -100.0}), r"that no machine has \(-100 MiB\)"),
    "no memory": (merged(machine={"peak_memory_mib": 0.0}), r"\(0 MiB\)"),
    "memory without end": (merged(machine={"peak_memory_mib": 1e300}), r"\(1e\+300 MiB\)"),
    "memory of no number": (merged(machine={"peak_memory_mib": "NaN"}), r"\(nan MiB\)"),
    "GPU memory": (merged(machine={"peak_gpu_memory_mib": "Infinity"}), r"\(inf MiB on the GPU\)"),
    "in the future": (merged(started_at=TOMORROW), "started in the future"),
    "local time": (merged(started_at="2026-01-02T03:04:05+02:00"), "no UTC time"),
    "no zone": (merged(started_at="2026-01-02T03:04:05"), "no UTC time"),
    "no date": (merged(started_at="yesterday"), "'yesterday', which is no UTC time"),
    "no parameters": (merged(parameters=0), "a network of 0 parameters"),
    "no versions": (lambda fields: fields["versions"].clear(), "names no version"),
    "no GPU": (merged(machine={"device": "cuda"}), "run on cuda and names no GPU"),
    "a GPU": (merged(machine={"gpu": "a product"}), "run on a CPU and names a GPU"),
    "no reason": (merged(**FAILED), "ended as diverged and gives no reason"),
    "seed": (merged(seed=-1), "has the seed -1"),
    "audit": (merged(injection={"found": 20}), "audit that does not add up"),
    "unnamed sites": (merged(injection={"sites": ["a"]}), "audit that does not add up"),
    "not run": (merged(injection={"executed": 4}), "saw only 4 of 13 swapped sites run"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_named(tmp_path: Path, name: str) -> None:
    change, words = FORGERIES[name]
    fields = published()
    change(fields)
    path = put(tmp_path, fields)
    report = validate(tmp_path)
    assert {fault.file for fault in report.faults} == {path.relative_to(tmp_path).as_posix()}
    assert report.refused == 1
    assert re.search(words, sentences(report)), sentences(report)
    assert all(fault.sentence.startswith(fault.file) for fault in report.faults)


def test_damage_and_files_out_of_place_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, published())
    whole = path.read_text()
    (path.parent / "gelu-s0-0123456789abcdef.json").write_text(whole)
    path.write_text(whole[:-20])
    (path.parent / "old.json.damaged").write_text("")
    for place in ("a.json", "cpu/b.json", "cpu/cifar10-vgg16/more/c.json", "cpu/cifar10-vgg16/.d.json"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(whole)
    for place in (
        "local/cpu/e.json",
        ".logs/f.json",
        "try/g.json",
        "cpu/cifar10-vgg16/readme.txt",
    ):  # not ours to judge
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    report = validate(tmp_path)
    assert (report.records, report.refused, len(report.faults)) == (2, 7, 7)
    text = sentences(report)
    assert text.count("lies where no record belongs") == 4
    assert "no valid record (Invalid JSON" in text
    assert "does not lie in its place" in text
    assert "old.json.damaged is a damaged record that was set aside" in text


def test_a_score_by_the_units_of_molhiv(tmp_path: Path) -> None:
    fields = published("molhiv-gcn")
    fields["score"] = fields["metrics"]["test_roc_auc"] = 1.2
    put(tmp_path, fields)
    assert "outside of 0 to 1" in sentences(validate(tmp_path))


def test_a_score_that_no_mean_can_hold(tmp_path: Path) -> None:
    fields = published("lab-feynman")
    fields["score"] = fields["metrics"]["log10_sealed_loss"] = 1e308
    put(tmp_path, fields)
    assert "the score is not a finite number below 1e+100" in sentences(validate(tmp_path))


@pytest.mark.parametrize("score", [-331.0, 9e99])
def test_a_logarithm_of_a_number_that_there_is(tmp_path: Path, score: float) -> None:
    fields = published("lab-feynman")
    fields["score"] = fields["metrics"]["log10_sealed_loss"] = score
    put(tmp_path, fields)
    assert f"has the score {score:g} log10 loss, outside of -330 to 330" in sentences(validate(tmp_path))


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    path = put(tmp_path, published())
    path.unlink()
    os.mkfifo(path)
    assert "cannot be read (no regular file)" in sentences(validate(tmp_path))


def test_words_on_a_function_of_ones_own_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = published()
    own = Activation("my-relu", lambda x: x.clamp(0.0), "max(0, x)")
    become(fields, own)
    fields["activation"]["formula"] = "as it was said before"
    monkeypatch.setattr(activations, "get", {"my-relu": own}.__getitem__)
    put(tmp_path, fields)
    assert validate(tmp_path) == Report(1, ())


ANEW = "raw/node-feat.csv.gz, raw/edge.csv.gz, raw/edge-feat.csv.gz"


@pytest.mark.parametrize("seed", [0, 2, 3])  # two packings of before contents were looked at, and a known content
@pytest.mark.parametrize("notes", [[], ["raw/edge.csv.gz is fine"], ["features were made anew: raw/edge.csv.gz"]])
def test_a_note_names_every_file_made_anew(tmp_path: Path, seed: int, notes: list[str]) -> None:
    fields = published("molhiv-gcn", seed=seed)
    assert fields["notes"][0].endswith(ANEW)
    fields["notes"] = notes
    put(tmp_path, fields)
    assert f"was run on files made anew ({ANEW}), and no note of it says so" in sentences(validate(tmp_path))


@pytest.mark.parametrize("file", ["raw/edge.csv.gz", "raw/graph-label.csv.gz"])
def test_a_note_excuses_no_unknown_content(tmp_path: Path, file: str) -> None:
    fields = published("molhiv-gcn")
    fields["dataset"][file] = f"sha256:{'0' * 64}"
    fields["notes"].append(f"features were read from other files than OGB's own: {file}")
    put(tmp_path, fields)
    assert f"was run on other data than is published ({file}): remove it" in sentences(validate(tmp_path))


@pytest.mark.parametrize(("task", "file"), [("cifar10-vgg16", "test_batch"), ("molhiv-gcn", "raw/edge.csv.gz")])
def test_a_scored_record_names_every_file(tmp_path: Path, task: str, file: str) -> None:
    fields = published(task)
    del fields["dataset"][file]
    put(tmp_path, fields)
    assert f"({file}): remove it and run the cell again" in sentences(validate(tmp_path))


def test_a_test_at_an_earlier_epoch_is_said_by_the_task(tmp_path: Path) -> None:
    fields = record_fields(score=91.0)
    fields["metrics"] = {"test_accuracy": 91.0}
    fields["curves"] = {"test_accuracy": [80.0, 91.0, 90.0]}
    fields["commit"] = "c0ffee" * 6 + "cafe"
    become(fields, activations.get("relu"))
    put(tmp_path, fields)
    assert "the curve ends at 90" in sentences(validate(tmp_path))
    fields["metrics"]["best_epoch"] = 2.0
    put(tmp_path, fields)
    assert validate(tmp_path).faults == ()


def test_what_cannot_be_looked_up_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange, old = published(), published()
    strange["task"] |= {"name": "somebodys-task", "title": "Something else"}
    old["task"] |= {"version": 0, "title": "As it was"}
    for fields in (strange, old):
        put(tmp_path, fields)
    report = validate(tmp_path)
    assert show(report) == 0
    out, err = capsys.readouterr()
    assert out == "2 records, no fault\n"
    assert "note: 1 record of cifar10-vgg16 in its version 0, which is not the present one" in err
    assert "note: 1 record of somebodys-task, which is not registered" in err


def test_a_cell_that_diverged_passes(tmp_path: Path) -> None:
    fields = published() | FAILED | {"reason": "the loss is nan", "metrics": {}, "dataset": {}, "parameters": None}
    fields["injection"], fields["curves"] = None, {"train_loss": [2.3, "NaN"]}
    put(tmp_path, fields)
    assert validate(tmp_path) == Report(1, ())


def test_faults_are_printed_on_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = published()
    fields["started_at"] = "\x1b[2Jno\ntime"
    put(tmp_path, fields)
    assert show(validate(tmp_path)) == 1
    out, err = capsys.readouterr()
    assert out == "1 record, 1 refused\n"
    assert err.startswith("refused: cpu/cifar10-vgg16/relu-s0-")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = run_bench("validate", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "0 records, 1 refused\n")
    assert "x.json lies where no record belongs" in done.stderr
    with pytest.raises(UsageError, match="there is no results folder"):
        validate(tmp_path / "nowhere")


def test_the_task_that_contributors_are_shown_makes_sound_records(tmp_path: Path) -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "sine_task.py").write_text(block[1])
    run_file(tmp_path / "sine_task.py")
    task = tasks.get("sine")
    try:
        (cell,) = make_plan("smoke", [task.spec], [activations.get("relu")], [0]).cells
        measured = plain(task.run(cell.activation, cell.seed, task.spec.recipes["smoke"], tasks.Context()))
        report = messages.Report("ok", **measured, total_seconds=60.0, started_at="2026-01-02T03:04:05+00:00")
        record = build_record(cell, report, lanes("cpu", 1)[0])
        assert record.outcome == "ok"
        assert faults_of(record) == []
    finally:
        del tasks.registry._tasks["sine"]


def test_numbers_are_read_as_json_gives_them(tmp_path: Path) -> None:
    fields = published("clrs30-bfs")
    fields["metrics"]["odd"] = "NaN"
    fields["score"] = fields["metrics"]["test_score"] / 100
    assert math.isfinite(fields["score"])
    put(tmp_path, fields)
    assert validate(tmp_path) == Report(1, ())
