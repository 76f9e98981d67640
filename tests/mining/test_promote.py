"""A promoted file is a module like any other: it says where the function comes from, and registers exactly it."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from activations import Graph, get, registry
from activations.graph import Node
from mining.candidate import Member, Proposal
from mining.findings import Opened
from mining.population import Evaluation, Population, PopulationError, Slot
from mining.promote import SEEDS, Promotion, best, lineage, measure, text_of, write
from mining.settings import RUNGS, Settings

WAVE = Graph(
    (Node("gelu_erf", ("x",)), Node("sin", ("x",)), Node("mul", ("v1", 0.25)), Node("add", ("v0", "v2"))), ("v3",)
)
SETTINGS = Settings(5, (("genetic", 1.0),), ("relu",), ("polynomials", "feynman"), 200, True)
HOSTILE = 'because\n"""\nimport os; os.system("touch /tmp/promoted")\n\x0c# \u2028raise SystemExit'


def evidence(fitness: float) -> Opened:
    seeds = tuple(fitness + 0.01 * k for k in range(len(SEEDS)))
    families = dict.fromkeys(("polynomials", "harmonics", "feynman"), seeds)
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
    text = path.read_text()
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
        "#   validation shift, what the search saw: -0.265",
        "#   sealed shift, harmonics (held out): -0.265",
        "#   validation shift, feynman: -0.265",
    ):
        assert part in text, text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(("fitness", "survives"), [(-0.3, True), (-0.04, False), (0.2, False), (math.inf, False)])
def test_it_survives_only_where_it_is_better_than_relu(fitness: float, survives: bool) -> None:
    assert promotion(fitness).survives is survives


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


def test_confirmed_functions_come_first(tmp_path: Path) -> None:
    names = ("gelu", "silu", "mish", "elu", "softplus")
    final, deep = RUNGS.final.name, RUNGS.deep.name
    said = {
        "gelu": {deep: -0.5},
        "silu": {deep: -0.1, final: 0.3},
        "mish": {deep: math.inf},
        "elu": {},
        "softplus": {deep: -0.6, final: 0.1},
    }
    with Population(tmp_path / "p.sqlite") as population:
        for name in names:
            for rung, fitness in said[name].items():
                population.add_evaluation(Evaluation(get(name).graph.hash, rung, fitness, {}, {}, False, 1.0))
        slots = [slot(0, "relu", (), 0.0, generation=0), *(slot(k, name, (), 0.0) for k, name in enumerate(names))]
        found = [member.hash for member in best(population, slots)]
    assert found == [get(name).graph.hash for name in ("softplus", "silu", "gelu")]


def test_an_empty_run_has_nothing_to_promote(tmp_path: Path) -> None:
    def never(*_: object) -> Opened:
        raise AssertionError("nothing was to be opened")

    with (
        Population(tmp_path / "night" / "p.sqlite") as population,
        pytest.raises(PopulationError, match="night holds nothing to promote yet"),
    ):
        measure(population, 3, never)
