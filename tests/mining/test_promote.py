"""A promoted file is a module like any other: it says where the function comes from, and registers exactly it."""

import dataclasses
import importlib.util
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activations import Graph, get, registry
from activations.graph import GraphError, Node
from mining.candidate import Member, Proposal
from mining.fitness_report import ReportScore
from mining.population import Evaluation, Population, PopulationError, Slot
from mining.promote import SEEDS, Promotion, best, lineage, measure, text_of, write
from mining.sealed import Opened
from mining.settings import RUNGS, Settings

from .populations import PROBLEMS, fill, score_of, wave

ROOT = Path(__file__).parents[2]
WAVE = Graph(
    (Node("gelu_erf", ("x",)), Node("sin", ("x",)), Node("mul", ("v1", 0.25)), Node("add", ("v0", "v2"))), ("v3",)
)
SETTINGS = Settings(5, (("genetic", 1.0),), ("relu",), ("polynomials", "feynman"), 200, True)
HOSTILE = 'because\n"""\nimport os; os.system("touch /tmp/promoted")\n\x0c# \u2028raise SystemExit'


def evidence(fitness: float) -> Opened:
    problems = {f"p {k}": [fitness + 0.01 * k] * len(SEEDS) for k in range(8)}
    families = dict.fromkeys(("polynomials", "harmonics", "feynman"), problems)
    return Opened(WAVE.hash, SEEDS, {"validation": families, "sealed": families})


def promotion(fitness: float = -0.3, rationale: str = "waves help") -> Promotion:
    member = Member(WAVE.hash, WAVE, "stranger's text", rationale, "llm", -0.2, {}, (), 0, ())
    return Promotion(member, ("start: relu", "llm: asked"), SETTINGS, 321, evidence(fitness))


@pytest.fixture
def catalogue() -> Iterator[None]:
    before = registry.snapshot()
    yield
    registry.restore(before)


def load(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("rationale", ["waves help", HOSTILE, "", "\\"])
def test_the_file_registers_the_function_and_runs_nothing_else(tmp_path: Path, rationale: str) -> None:
    path = write(promotion(rationale=rationale), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"mined_{WAVE.hash[:8]}.py"]
    text = path.read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert all("os.system" not in line for line in text.splitlines() if line not in comments)
    load(path)
    found = get(f"mined-{WAVE.hash[:8]}")
    assert found.graph.hash == WAVE.hash
    assert found.origin == "mined"
    assert found.mined_on == ("lab-polynomials", "lab-feynman")
    assert found.formula == "gelu(x) + 0.25 * sin(x)"
    assert "stranger's text" not in text


def test_the_file_tells_run_lineage_and_evidence() -> None:
    text = text_of(promotion())
    for part in (
        "# Run: proposer genetic, seed 5, 321 functions trained",
        "#   start: relu",
        "#   waves help",
        "#   validation shift, searched families: -0.265, 95 % interval over 16 problems -0.",
        "#   sealed shift, harmonics (held out): -0.265 on 8 problems",
        "#   validation shift, feynman: -0.265 on 8 problems",
    ):
        assert part in text, text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(("fitness", "survives"), [(-0.3, True), (-0.04, False), (0.2, False), (math.inf, False)])
def test_it_survives_only_where_it_is_better_than_relu(fitness: float, survives: bool) -> None:
    assert promotion(fitness).survives is survives


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    spoilt = Graph(
        (Node("fft", ("x",), (("dim", -1), ("forward", True), ("norm", "ortho"))), Node("real", ("v0",))), ("v1",)
    )
    unwritable = replace(promotion(), member=replace(promotion().member, graph=spoilt))
    with pytest.raises(GraphError, match="is not written as Python"):
        write(unwritable, tmp_path)
    assert list(tmp_path.iterdir()) == []


def slot(number: int, name: str, parents: tuple[str, ...], fitness: float | None, generation: int = 1) -> Slot:
    graph = get(name).graph
    proposal = Proposal("genetic", graph, operation=f"to {name}", parents=parents)
    return Slot(generation, number, 0, proposal, hash=graph.hash, fitness=fitness, rung="first", families={})


def test_lineage_goes_back_to_the_start() -> None:
    relu, gelu = get("relu").graph.hash, get("gelu").graph.hash
    slots = [
        slot(0, "relu", (), 0.0, generation=0),
        slot(0, "gelu", (relu,), -0.1),
        slot(1, "silu", (gelu, relu), -0.2),
        slot(2, "gelu", (get("silu").graph.hash,), None),
    ]
    assert lineage(slots, get("silu").graph.hash) == ("genetic: to relu", "genetic: to gelu", "genetic: to silu")
    circle = [slot(0, "gelu", (gelu,), -0.1)]
    assert lineage(circle, gelu) == ("genetic: to gelu",)


def found_slot(number: int, amount: float) -> Slot:
    graph = wave(amount)
    return Slot(1, number, 0, Proposal("genetic", graph), hash=graph.hash, fitness=0.0, rung="first", families={})


def test_confirmed_functions_come_first_and_known_ones_not_at_all(tmp_path: Path) -> None:
    final, deep = RUNGS.final.name, RUNGS.deep.name
    said = {
        0.11: {deep: -0.5},
        0.22: {deep: -0.1, final: 0.3},
        0.33: {deep: math.inf},
        0.44: {},
        0.55: {deep: -0.6, final: 0.1},
    }
    with Population(tmp_path / "p.sqlite") as population:
        for graph, rungs in [*((wave(a), r) for a, r in said.items()), (get("silu").graph, {deep: -9.0, final: -9.0})]:
            for rung, fitness in rungs.items():
                population.add_evaluation(Evaluation(graph.hash, rung, fitness, {}, {}, False, 1.0))
        slots = [slot(0, "relu", (), 0.0, generation=0), slot(9, "silu", (), -9.0)]
        found = [member.hash for member in best(population, [*slots, *map(found_slot, range(5), said)])]
    assert found == [wave(amount).hash for amount in (0.55, 0.22, 0.11)]


def test_the_best_are_opened_on_seeds_of_their_own_and_once(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite") as population:
        said: list[str] = []
        promotions = measure(population, 2, score=score_of, say=said.append)
        assert [text.split()[-1] for text in said] == ["relu", *(one.name for one in promotions)]
        assert {(o.reason, o.seeds) for o in population.openings()} == {("promote", SEEDS)}
        assert all(one.survives and one.fitness.n == 2 * PROBLEMS for one in promotions)
        assert promotions[0].lineage[0] == "start: gelu"

        def never(*_: object) -> ReportScore:
            raise AssertionError("nothing was to be opened")

        assert measure(population, 2, score=never) == promotions


@pytest.mark.usefixtures("catalogue")
def test_a_run_is_promoted_twice_into_the_same_file(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite") as population:
        (first,) = measure(population, 1, score=score_of)
        path = write(first, tmp_path / "home")
        load(path)
        assert get(first.name).graph.hash == first.member.hash
        (again,) = measure(population, 1, score=score_of)
        assert write(again, tmp_path / "home") == path


def test_an_empty_run_has_nothing_to_promote(tmp_path: Path) -> None:
    with (
        Population(tmp_path / "night" / "p.sqlite") as population,
        pytest.raises(PopulationError, match="night holds nothing to promote yet"),
    ):
        measure(population, 3)


@pytest.mark.parametrize("name", ["gelu-sine", "gelu-tanh", "gmtu", "mish", "absolute", "chaotic-wave", "hardswish"])
def test_the_file_passes_the_projects_own_lint(name: str) -> None:
    graph = get(name).graph
    member = Member(graph.hash, graph, "", "a reason " * 40, "llm", -0.2, {}, (), 0, ())
    for families in (("polynomials",), ("polynomials", "feynman")):
        settings = dataclasses.replace(SETTINGS, families=families, proposers=(("genetic", 1.0), ("llm", 2.0)))
        text = text_of(dataclasses.replace(promotion(), member=member, settings=settings))
        for check in (["check"], ["format", "--check"]):
            command = [sys.executable, "-m", "ruff", *check, "--stdin-filename", "activations/mined/written.py", "-"]
            done = subprocess.run(command, input=text, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"
