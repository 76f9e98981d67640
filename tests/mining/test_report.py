"""The report: says only what the numbers say, and gives the same bytes every time."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from activations import Graph, get
from mining.findings import formula, read_findings
from mining.fitness_report import ReportScore
from mining.population import Population
from mining.report import COMPARED, Plan, measure, render, write_report
from mining.report_tables import CONTROL
from mining.report_text import block, change, code, duration
from mining.sealed import Opened
from mining.settings import RUNGS
from mining.verdict import Estimate, give_verdict

from .populations import GELU, PROBLEMS, RELU, Lab, evaluation_of, fill, logs, opened_at, score_of, wave
from .reports import KNOWN, NOW, PLAN, measured, section


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Population]:
    with measured(tmp_path_factory.mktemp("run-7") / "population.sqlite") as population:
        yield population


@pytest.fixture(scope="module")
def text(population: Population) -> str:
    return render(population)


# What is said first


def test_a_find_is_told_with_its_numbers(population: Population, text: str) -> None:
    verdict = give_verdict(read_findings(population))
    assert verdict.found
    assert verdict.best is not None
    assert "**Found:** `gelu(x) + " in text
    assert "beats ReLU and GELU on the validation shift and on the sealed shift, on 6 problems that no" in text
    assert "The least of the 4 leads" in text
    assert [(c.reference, c.shift) for c in verdict.comparisons] == [
        ("relu", "validation"), ("relu", "sealed"), ("gelu", "validation"), ("gelu", "sealed"),
    ]  # fmt: skip
    for comparison in (*verdict.comparisons, *verdict.held_out):
        assert f"{comparison.difference.mean:+.3f}" in text
        assert comparison.difference.n == PROBLEMS * (2 if comparison in verdict.comparisons else 1)
    assert len(verdict.held_out) == 4


def by_function(**means: tuple[float, float]) -> Callable[[Graph, Sequence[int]], ReportScore]:
    """An opening with these numbers for GELU and for found functions; ReLU is 0."""

    def score(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        return opened_at(*means["gelu" if graph == GELU else "found"])(graph, seeds)

    return score


@pytest.mark.parametrize(
    ("found", "gelu", "short"),
    [
        ((-0.1, -0.1), (-0.05, -0.1), ["GELU on the sealed shift (no different: +0.000"]),
        ((-0.1, -0.1), (-0.2, -0.05), ["GELU on the validation shift (worse: +0.100"]),
        ((-0.1, 0.1), (-0.05, 0.2), ["ReLU on the sealed shift (worse: +0.100"]),
        ((0.1, -0.1), (0.2, -0.05), ["ReLU on the validation shift (worse: +0.100"]),
        (
            (-0.1, math.inf),
            (-0.05, -0.05),
            ["ReLU on the sealed shift (a training was not", "GELU on the sealed shift"],
        ),
    ],
)
def test_what_was_not_found_is_told(
    found: tuple[float, float], gelu: tuple[float, float], short: list[str], tmp_path: Path
) -> None:
    with measured(tmp_path / "population.sqlite", by_function(found=found, gelu=gelu)) as population:
        text = render(population)
        assert not give_verdict(read_findings(population)).found
    assert "**Found" not in text
    line = next(line for line in text.splitlines() if line.startswith("**Not found:**"))
    assert line.count(" shift (") == len(short)
    for words in short:
        assert words in line


def test_families_held_out_decide_nothing_and_are_shown(tmp_path: Path) -> None:
    def bad_on_harmonics(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        good = score_of(graph, seeds)
        worse = logs(0.5, "harmonics", seeds, 0.004)
        own = graph not in (RELU, GELU)
        return ReportScore(*({**s, **({"harmonics": worse} if own else {})} for s in (good.validation, good.sealed)))

    with measured(tmp_path / "population.sqlite", bad_on_harmonics) as population:
        verdict = give_verdict(read_findings(population))
        assert verdict.found
        assert {c.word for c in verdict.held_out} == {"worse"}
        assert "| held out" in render(population)
        assert "harmonics (held out), sealed" in section(render(population), "Validation and sealed shift")


def test_a_search_that_found_nothing_has_a_report(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite", generations=1) as population:
        measure(population, Lab(), plan=PLAN, score=score_of, now=lambda: NOW)
        text = write_report(tmp_path, population).read_text(encoding="utf-8")
    assert "**Nothing was found:** no function of the search was confirmed on fresh seeds." in text
    assert "What luck alone would give cannot be said" in text
    assert "No proposal was rejected." in text
    assert "![" not in text
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("worth", "words"),
    [(0.0, "no better than luck"), (1.0, "better than luck's mean and within its reach"), (3.0, "beyond the reach")],
)
def test_the_null_stands_beside(worth: float, words: str, tmp_path: Path) -> None:
    with measured(tmp_path / "population.sqlite", worth=worth, plan=Plan(copies=16, seeds=(1000, 1001))) as population:
        luck, text = read_findings(population).luck, render(population)
    assert (
        f"best of 30 copies of GELU, one for each evaluation, would be expected at {luck.expected_best(30):+.3f}"
        in text
    )
    assert f"below {luck.reach(30):+.3f}" in text
    assert words in text


def test_an_interval_of_one_family_is_students() -> None:
    estimate = Estimate.over([[-0.1, -0.2, -0.3]])
    assert estimate.mean == pytest.approx(-0.2)
    assert estimate.n == 3
    assert estimate.high == pytest.approx(-0.2 + 4.302653 * 0.1 / math.sqrt(3))
    assert estimate.low == pytest.approx(-0.2 - 4.302653 * 0.1 / math.sqrt(3))
    assert (Estimate.over([[-9.0]]).low, Estimate.over([[-9.0]]).high) == (-math.inf, math.inf), "one shows nothing"
    assert Estimate.over([[-9.0, math.inf]]).mean == math.inf
    assert math.isnan(Estimate.over([[], [1.0, 2.0]]).mean)


def test_families_weigh_the_same_and_their_variances_add() -> None:
    small, large = [0.0, 2.0, 4.0], [10.0, 10.1, 9.9, 10.0]
    estimate = Estimate.over([small, large])
    assert estimate.mean == pytest.approx(6.0)
    assert estimate.n == 7
    error = math.sqrt(4 / 3 + 0.02 / 3 / 4) / 2
    assert estimate.half / error == pytest.approx(4.302653, rel=0.01), (
        "nearly all of the noise has 2 degrees of freedom"
    )
    even = Estimate.over([[0.0, 2.0, 4.0], [5.0, 7.0, 9.0]])
    assert even.half == pytest.approx(2.776445 * math.sqrt(8 / 3) / 2), "the same noise twice has 4"


def test_the_interval_over_problems_covers_the_truth() -> None:
    """Families of 12 and 20 problems, of which one is noisier, as in the lab."""
    stream = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        found = Estimate.over([list(stream.normal(-0.2, 0.4, 12)), list(stream.normal(0.1, 0.1, 20))])
        inside += found.low < -0.05 < found.high
    assert 365 <= inside <= 395


def test_problems_and_not_seeds_tell_how_sure_a_lead_is() -> None:
    """Much the same under every seed and unlike from problem to problem: no find."""
    by_problem = {
        f"p {place}": [value + 0.001 * seed for seed in range(4)] for place, value in enumerate((-0.9, 0.5, 0.1))
    }
    found = Estimate.of(Opened("", (1, 2, 3, 4), {"sealed": {"feynman": by_problem}}), "sealed", ["feynman"])
    assert found.mean < 0 < found.high
    assert found.n == 3


# What is no find


def with_slot(population: Population, graph: Graph, generation: int) -> None:
    """The first function of a generation becomes this one, and the best on every rung."""
    slots = population.slots(generation)
    old = slots[0]
    new = replace(old, proposal=replace(old.proposal, graph=graph), hash=graph.hash, fitness=-5.0)
    population._db.execute("DELETE FROM generations WHERE number = ?", (generation,))
    population.close_generation(generation, [new, *slots[1:]], {}, 12.5)
    for rung in (RUNGS.cheap, RUNGS.deep, RUNGS.final):
        population.add_evaluation(replace(evaluation_of(graph, rung.name), fitness=-5.0))


def test_what_the_catalogue_knows_is_no_find(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite") as population:
        with_slot(population, get("hardswish").graph, 3)
        measure(population, Lab(), plan=PLAN, score=score_of, now=lambda: NOW)
        findings, text = read_findings(population), render(population)
    assert findings.rediscovered == {get("hardswish").graph.hash: "hardswish"}
    assert len(findings.trained) == len(findings.found) + 1 == 30
    assert get("hardswish").graph.hash not in {slot.hash for slot in findings.best}
    assert "**Found:** `gelu(x) + " in text
    assert "Rediscovered, and no finds: `hardswish` (generation 3)." in section(text, "The best functions")
    assert "best of 30 copies" in text, "luck had a chance there too"


@pytest.mark.parametrize(("worth", "found"), [(-0.2, True), (-9.0, False)])
def test_the_best_of_the_start_must_be_beaten_too(worth: float, found: bool, tmp_path: Path) -> None:
    known = get("gelu-sine").graph

    def score(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        means = {RELU: 0.0, GELU: -0.1, known: worth}
        return opened_at(*[means.get(graph, -1.0)] * 2)(graph, seeds)

    with fill(tmp_path / "population.sqlite") as population:
        with_slot(population, known, 0)
        measure(population, Lab(), plan=PLAN, score=score, now=lambda: NOW)
        verdict, text = give_verdict(read_findings(population)), render(population)
    assert verdict.found is found
    assert "row, also than `gelu-sine`, the best function of the start by the deep rung;" in text
    assert [c.reference for c in verdict.comparisons[::2]] == ["relu", "gelu", "gelu-sine"]
    if found:
        assert "beats ReLU, GELU and `gelu-sine` on the validation shift" in text
        assert "The least of the 6 leads" in text
    else:
        assert "does not beat `gelu-sine` on the validation shift (worse" in text


def test_what_luck_judges_is_shown_on_the_final_rung_too(population: Population, text: str) -> None:
    findings = read_findings(population)
    first = findings.ranked("cheap")[0]
    final = findings.fitness(first.hash, "final")
    assert "on its seeds and problems, by which the search chose" in text
    told = (
        "That function was not trained on the final rung." if final is None else f"the same function is at {final:+.3f}"
    )
    assert told in text


# What is said then


def test_the_same_population_gives_the_same_bytes(population: Population, text: str, tmp_path: Path) -> None:
    path = write_report(tmp_path / "there", population)
    assert path.name == "report.md"
    assert path.read_text(encoding="utf-8") == text == render(population)
    named = re.findall(r"\]\(([^)]+)\)", text)
    assert sorted(named) == sorted(p.name for p in path.parent.glob("*.png"))
    assert len(named) == 4
    assert [p.name for p in path.parent.glob(".*")] == []


def test_numbers_are_explained_with_computed_percentages(text: str) -> None:
    assert "Lower is better, 0 is ReLU, -0.1 is a 21 % lower loss." in text
    assert (change(0.3), change(0.0), change(math.inf)) == ("100 % higher loss", "the same loss", "no finite loss")
    assert (duration(1.25), duration(90), duration(7200)) == ("1.2 s", "1.5 min", "2.0 h")


def test_the_best_functions_are_ranked_by_fresh_seeds(population: Population, text: str) -> None:
    findings = read_findings(population)
    rows = [line for line in section(text, "The best functions").splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 10
    for row, slot in zip(rows, findings.best, strict=False):
        assert findings.label(slot) in row
        assert slot.proposal.graph is not None
        assert f"| {slot.proposal.graph.flops} " in row
        assert "a ripple" in row
    final = [findings.fitness(slot.hash, "final") for slot in findings.confirmed]
    assert final == sorted(f for f in final if f is not None)
    assert len(final) >= 5
    assert "`gelu`" in section(text, "The best functions")


def test_found_and_known_functions_stand_in_the_table_of_shifts(population: Population, text: str) -> None:
    table = section(text, "Validation and sealed shift")
    for name in COMPARED:
        assert f"`{name}`" in table
    for slot in read_findings(population).confirmed[:3]:
        assert read_findings(population).label(slot) in table
    assert f"`{CONTROL}` is GELU with a greater output" in table
    assert "(3 polynomials, 3 harmonics, 3 feynman), each the mean over 4 seeds that nothing else used" in table
    (row,) = [line for line in table.splitlines() if line.startswith("| `gelu` ")]
    gelu = read_findings(population).opened[GELU.hash]
    searched = Estimate.of(gelu, "validation", ["polynomials", "feynman"])
    assert row.split("|")[2].strip() == f"{searched.mean:+.3f} ± {searched.half:.3f}"


def test_lineage_goes_from_a_start_function_step_by_step(population: Population, text: str) -> None:
    findings = read_findings(population)
    chain = findings.chain(findings.confirmed[0].hash)
    assert chain[0].generation == 0
    assert len(chain) == 4
    told = section(text, "Where they come from").split("### ")[1]
    steps = re.findall(r"^(\d)\. (.*)$", told.split("Lineage")[1], flags=re.M)
    assert len(steps) == 4
    assert steps[0][1].startswith("start: `gelu`")
    for (_, step), slot in zip(steps[1:], chain[1:], strict=True):
        assert f"generation {slot.generation}: `{slot.proposal.operation}`" in step
        assert findings.label(slot) in step
    assert chain[-1].proposal.source.strip() in told


def test_a_strangers_text_stays_in_its_place(text: str) -> None:
    outside, fence = [], ""
    for line in text.splitlines():
        mark = re.match(r"(`{3,})", line)
        if mark and not fence:
            fence = mark.group(1)
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert fence == ""
    assert "<script>" in text
    assert "<script>" not in "\n".join(outside)
    assert "\u202e" not in text
    (row,) = [line for line in outside if "the name 'os'" in line]
    assert row.count("|") - row.count("\\|") == 4
    assert "`the name 'os' \\| is 'not' allowed; n calls cost n FLOPs`" in row
    assert block("````", "text").startswith("`````text\n")
    assert code("a`b\nc", 4) == "`a'b…`"


def test_proposers_are_compared_at_equal_evaluations(population: Population, text: str) -> None:
    findings = read_findings(population)
    assert [(row.name, row.proposals, len(row.fitness)) for row in findings.proposers] == [
        ("genetic", 24, 18), ("llm", 15, 12),
    ]  # fmt: skip
    assert findings.equal == 12
    table = section(text, "Proposers at equal evaluations")
    assert "Best of the first 12" in table
    genetic = findings.proposers[0].fitness
    assert min(genetic) < min(genetic[:12]), "else this test could not tell them apart"
    (row,) = [line for line in table.splitlines() if line.startswith("| genetic")]
    assert [cell.strip() for cell in row.split("|")[4:8]] == ["0 %", "12 %", "12 %", f"{min(genetic[:12]):+.3f}"]


def test_rungs_are_held_against_each_other(population: Population, text: str) -> None:
    findings = read_findings(population)
    found = findings.correlation("cheap", "deep")
    assert found.n == len(findings.pairs("cheap", "deep")) > 10
    (row,) = [
        line for line in section(text, "Do the rungs agree?").splitlines() if re.match(r"\| cheap +\| deep", line)
    ]
    assert [cell.strip() for cell in row.split("|")[3:5]] == [f"{found.tau:+.2f}", str(found.n)]


def test_rejections_are_counted_by_kind(text: str) -> None:
    table = section(text, "Rejections")
    assert "9 of 41 proposals were not trained: 3 by the identity, 3 by the jail, 3 by the screen." in table
    rows = [line for line in table.splitlines() if line.startswith("| ") and " 3 " in line]
    assert len(rows) == 3, "reasons that differ by a number or a hash are one kind"


def test_settings_cost_and_openings_are_told(population: Population, text: str) -> None:
    run = re.sub(" +", " ", section(text, "The run"))
    for row in ("| seed | 5 |", "| generations | 4 |", "| evaluations | 30, and 2 of the start |",
                "| wall time of the search | 50.0 s |", "| families searched | polynomials, feynman |"):  # fmt: skip
        assert row in run
    spent = sum(e.cpu_seconds for e in population.evaluations()) + 4 * 1.5
    assert f"| core time of training | {duration(spent)} |" in run
    log = section(text, "Openings of the sealed shift")
    assert log.count(NOW) == len(KNOWN) + 3
    assert "1000–1003" in log
    assert "Opened for 3 functions beside the known ones" in log
    assert text.startswith("# Report of the search `run-7")


def test_a_function_that_cannot_be_written_is_counted() -> None:
    assert formula(wave(0.5)) == "gelu(x) + 0.5 * sin(x)"
    graph = get("fisg").graph
    assert formula(graph) == f"{len(graph.nodes)} operations"
