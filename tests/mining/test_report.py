"""The report: trains only what is missing, says only what the numbers say, and gives the same bytes every time."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from activations import Graph, get
from mining.findings import formula, read_findings
from mining.fitness_report import Ratios, ReportScore
from mining.luck import FIRST_SEED
from mining.population import Opening, Population, PopulationError
from mining.report import COMPARED, Plan, measure, open_sealed, render, write_report
from mining.report_text import block, change, code, duration
from mining.settings import RUNGS
from mining.verdict import Estimate, give_verdict

from .populations import GELU, RELU, Lab, fill, opened_at, score_of, wave

NOW = "2026-01-01T00:00:00+00:00"
PLAN = Plan(copies=4, seeds=(1000, 1001, 1002, 1003))


def measured(path: Path, score: object = score_of, worth: float = 1.0, plan: Plan = PLAN) -> Population:
    population = fill(path, worth=worth)
    assert callable(score)
    measure(population, Lab(), plan=plan, score=score, now=lambda: NOW)
    return population


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Population]:
    with measured(tmp_path_factory.mktemp("run-7") / "population.sqlite") as population:
        yield population


@pytest.fixture(scope="module")
def text(population: Population) -> str:
    return render(population)


def section(text: str, title: str) -> str:
    """One section, without its title."""
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


class Scores:
    """Counts the openings that were trained for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def __call__(self, graph: Graph, seeds: Sequence[int]) -> ReportScore:
        self.seen.append((graph.hash, tuple(seeds)))
        return score_of(graph, seeds)


# What is trained


def test_the_best_are_confirmed_opened_and_logged_and_nothing_twice(tmp_path: Path) -> None:
    lab, scores = Lab(), Scores()
    with fill(tmp_path / "population.sqlite") as population:
        before = {(e.hash, e.rung) for e in population.evaluations()}
        said: list[str] = []
        measure(population, lab, 2, plan=PLAN, score=scores, now=lambda: NOW, say=said.append)
        assert len(said) == 2 + len(COMPARED) + 2
        assert said[2] == "opening the sealed shift for relu"
        findings = read_findings(population)
        assert all(findings.fitness(slot.hash, "final") is not None for slot in findings.ranked("deep")[:5])
        known = [get(name).graph.hash for name in COMPARED]
        assert scores.seen == [(h, PLAN.seeds) for h in [*known, *(s.hash for s in findings.confirmed[:2])]]
        assert [(o.hash, o.seeds) for o in population.openings()] == scores.seen
        assert {(o.at, o.reason) for o in population.openings()} == {(NOW, "report")}
        added = {(e.hash, e.rung) for e in population.evaluations()} - before
        assert {rung for _, rung in added} == {RUNGS.final.name}, "what breeds is left as the search left it"
        first = render(population)
        lab.jobs.clear()
        measure(population, lab, 2, plan=PLAN, score=scores, now=lambda: "later")
        assert lab.jobs == []
        assert len(population.openings()) == len(COMPARED) + 2 == len(scores.seen)
        assert render(population) == first


def test_a_killed_measurement_goes_on(tmp_path: Path) -> None:
    def dies(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        if graph == GELU:
            raise KeyboardInterrupt
        return score_of(graph, seeds)

    with fill(tmp_path / "population.sqlite") as population:
        with pytest.raises(KeyboardInterrupt):
            measure(population, Lab(), plan=PLAN, score=dies, now=lambda: NOW)
        assert "**Nothing can be said yet:**" in render(population)
        assert len(population.openings()) == 1
        lab = Lab()
        measure(population, lab, plan=PLAN, score=score_of, now=lambda: NOW)
        assert lab.jobs == []
        assert "**Found:**" in render(population)


def test_an_opening_on_other_seeds_is_a_new_one_and_is_not_mixed_in(tmp_path: Path) -> None:
    scores = Scores()
    with measured(tmp_path / "population.sqlite") as population:
        best = read_findings(population).confirmed[0].proposal.graph
        assert best is not None
        first = open_sealed(population, best, PLAN.seeds, "promote", scores)
        assert scores.seen == []
        population.add_opening(Opening(NOW, "promote", best.hash, PLAN.seeds, {"validation": -9.0, "sealed": -9.0}))
        open_sealed(population, best, (5000, 5001), "promote", scores, lambda: NOW)
        assert len(scores.seen) == 1
        assert read_findings(population).opened[best.hash] == first
        log = section(render(population), "Openings of the sealed shift")
        assert log.count("promote") == 2
        assert "5000, 5001" in log


def test_seeds_that_others_use_are_refused(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite") as population:
        for seed in (*RUNGS.cheap.seeds, *RUNGS.final.seeds, FIRST_SEED + 3):
            with pytest.raises(ValueError, match=rf"\[{seed}\] are used by a rung or by luck"):
                measure(population, Lab(), plan=Plan(seeds=(999, seed)), score=score_of)
        assert population.openings() == []


def test_what_is_no_search_and_what_was_not_measured_is_told(tmp_path: Path) -> None:
    with Population(tmp_path / "a" / "population.sqlite") as empty:
        with pytest.raises(PopulationError, match="holds no search yet"):
            measure(empty, Lab(), score=score_of)
        with pytest.raises(PopulationError, match="holds no search yet"):
            render(empty)
    with fill(tmp_path / "b" / "population.sqlite") as unmeasured, pytest.raises(PopulationError, match="measured"):
        render(unmeasured)


# What is said first


def test_a_find_is_told_with_its_numbers(population: Population, text: str) -> None:
    verdict = give_verdict(read_findings(population))
    assert verdict.found
    assert verdict.best is not None
    assert "**Found:** `gelu(x) + " in text
    assert "beats ReLU and GELU on the validation shift and on the sealed shift, on 4 seeds" in text
    assert [(c.reference, c.shift) for c in verdict.comparisons] == [
        ("relu", "validation"), ("relu", "sealed"), ("gelu", "validation"), ("gelu", "sealed"),
    ]  # fmt: skip
    for comparison in (*verdict.comparisons, *verdict.held_out):
        assert f"{comparison.difference.mean:+.3f}" in text
        assert comparison.difference.n == 4
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
        ((-0.1, 0.1), (-0.05, 0.2), ["ReLU on the sealed shift (worse: +0.098"]),
        ((0.1, -0.1), (0.2, -0.05), ["ReLU on the validation shift (worse: +0.098"]),
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
        worse = Ratios(0.5, (0.5,) * len(seeds))
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
        text = write_report(tmp_path, population).read_text()
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


def test_an_interval_is_students() -> None:
    estimate = Estimate.of([-0.1, -0.2, -0.3])
    assert estimate.mean == pytest.approx(-0.2)
    assert estimate.n == 3
    assert estimate.high == pytest.approx(-0.2 + 4.302653 * 0.1 / math.sqrt(3))
    assert estimate.low == pytest.approx(-0.2 - 4.302653 * 0.1 / math.sqrt(3))
    assert (Estimate.of([-9.0]).low, Estimate.of([-9.0]).high) == (-math.inf, math.inf), "one seed shows nothing"
    assert Estimate.of([-9.0, math.inf]).mean == math.inf


# What is said then


def test_the_same_population_gives_the_same_bytes(population: Population, text: str, tmp_path: Path) -> None:
    path = write_report(tmp_path / "there", population)
    assert path.name == "report.md"
    assert path.read_text() == text == render(population)
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
    assert "over 4 seeds that nothing else used" in table


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
    assert log.count(NOW) == len(COMPARED) + 3
    assert "1000–1003" in log
    assert "Opened for 3 functions beside the known ones" in log
    assert text.startswith("# Report of the search `run-7")


def test_a_function_that_cannot_be_written_is_counted() -> None:
    assert formula(wave(0.5)) == "gelu(x) + 0.5 * sin(x)"
    graph = get("fisg").graph
    assert formula(graph) == f"{len(graph.nodes)} operations"
