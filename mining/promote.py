"""From the population into the catalogue: a mined function as a source file that says where it comes from.

The file is written from the graph. Nothing that a stranger wrote is ever run: a rationale goes into comments only.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import activations.mined
from activations import Graph
from activations.to_python import to_formula, to_python
from mining.candidate import Member
from mining.findings import SHIFTS, Opened
from mining.population import Population, PopulationError, Slot
from mining.settings import RUNGS, Settings
from mining.verdict import Estimate

HOME = Path(activations.mined.__file__).parent
"""Folder of the package whose modules are all registered."""
SEEDS = tuple(range(2000, 2008))
"""Those of a promotion, which no rung, report or copy uses."""
WIDTH = 118
"""Columns of a comment, its sign not counted."""

Open = Callable[[Population, Graph, tuple[int, ...], str], Opened]
"""Opens the sealed shift for one function and logs it: `mining.report.open_sealed`."""


@dataclass(frozen=True)
class Promotion:
    """A function with everything that its file tells."""

    member: Member
    lineage: tuple[str, ...]
    """Operations from a start function to this one."""
    settings: Settings
    evaluations: int
    """Functions that the search had trained."""
    evidence: Opened

    @property
    def name(self) -> str:
        """In the catalogue: the same function has the same name in every run."""
        return f"mined-{self.member.hash[:8]}"

    @property
    def fitness(self) -> Estimate:
        """Over the families that the search saw, on the validation shift, under seeds and problems that it did not."""
        return Estimate.of(self.evidence.by_seed(SHIFTS[0], self.settings.families))

    @property
    def survives(self) -> bool:
        """Whether the whole interval lies on the better side of ReLU."""
        return self.fitness.high < 0

    @property
    def run(self) -> str:
        """One line on the search."""
        proposers = ", ".join(name for name, _ in self.settings.proposers)
        return f"proposer {proposers}, seed {self.settings.seed}, {self.evaluations} functions trained"


def measure(population: Population, top: int, open_sealed: Open) -> list[Promotion]:
    """Train the best functions of a search on fresh seeds; the first are those that the final rung confirmed.

    Raises:
        PopulationError: the population holds no search, or nothing was found yet.
    """
    text = population.fact("settings")
    slots = population.slots()
    found = best(population, slots)[:top]
    if text is None or not found:
        raise PopulationError(
            f"{population.path.parent.name} holds nothing to promote yet: search on with `bench mine`."
        )
    trained = sum(slot.scored and slot.generation > 0 for slot in slots)
    return [
        Promotion(
            member,
            lineage(slots, member.hash),
            Settings.from_json(text),
            trained,
            open_sealed(population, member.graph, SEEDS, "promote"),
        )
        for member in found
    ]


def lineage(slots: Sequence[Slot], found: str) -> tuple[str, ...]:
    """How a function came about, from a start function on: the operation of each ancestor along the first parents."""
    by_hash = {slot.hash: slot for slot in reversed(slots) if slot.scored}
    steps: list[str] = []
    seen: set[str] = set()
    here: str | None = found
    while here in by_hash and here not in seen:
        slot = by_hash[here]
        seen.add(here or "")
        steps.append(f"{slot.proposal.proposer}: {slot.proposal.operation or here}")
        here = slot.proposal.parents[0] if slot.proposal.parents else None
    return tuple(reversed(steps))


def write(promotion: Promotion, folder: Path) -> Path:
    """Write the function's module and return its path; an earlier file of the same function is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{promotion.name.replace('-', '_')}.py"
    draft = path.with_suffix(".tmp")
    draft.write_text(text_of(promotion))
    draft.replace(path)
    return path


def text_of(promotion: Promotion) -> str:
    """The module: where the function comes from as comments, then the function under `@register`."""
    body = re.sub(r"\A(import .*\n)*\n*", "", to_python(promotion.member.graph))
    tasks = ", ".join(f'"lab-{family}"' for family in promotion.settings.families)
    return (
        f'"""{promotion.name}: found by `bench mine` in the synthetic lab, written by `bench promote`."""\n\n'
        f"{_told(promotion)}\n"
        "from __future__ import annotations\n\n"
        "from activations.builtin.lazy import F, Tensor, torch  # noqa: F401\n"
        "from activations.registry import register\n\n\n"
        "@register(\n"
        f'    "{promotion.name}",\n'
        f"    formula={to_formula(promotion.member.graph)!r},\n"
        f'    reference="found by `bench mine`: {promotion.run}",\n'
        '    origin="mined",\n'
        f"    mined_on=({tasks},),\n"
        ")\n"
        f"{body.replace('def activation(x):', 'def activation(x: Tensor) -> Tensor:')}"
    )


def _told(promotion: Promotion) -> str:
    """Run, lineage, rationale and evidence as comment lines, whatever signs they hold."""
    seeds = ", ".join(map(str, promotion.evidence.seeds))
    fitness = promotion.fitness
    told = [f"Run: {promotion.run}", "Lineage:", *(f"  {step}" for step in promotion.lineage)]
    if promotion.member.rationale:
        told += ["Rationale:", *(f"  {line}" for line in promotion.member.rationale.splitlines() if line.strip())]
    told += [
        f"Lab evidence on seeds {seeds} and problems that the search never used, as log10 of the out-of-distribution "
        "loss over ReLU's (lower is better):",
        f"  validation shift, what the search saw: {fitness.mean:+.3f}, 95 % interval {fitness.low:+.3f} to "
        f"{fitness.high:+.3f}",
        *(row for shift in SHIFTS for row in _rows(promotion, shift)),
    ]
    lines = [part for line in told for part in textwrap.wrap(_printable(line), WIDTH - 2, subsequent_indent="    ")]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _rows(promotion: Promotion, shift: str) -> list[str]:
    means = {family: Estimate.of(ratios).mean for family, ratios in promotion.evidence.ratios[shift].items()}
    return [
        f"  {shift} shift, {family}{'' if family in promotion.settings.families else ' (held out)'}: {mean:+.3f}"
        for family, mean in means.items()
    ]


def _printable(text: str) -> str:
    """No line breaks or control signs: a comment stays a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def best(population: Population, slots: Sequence[Slot]) -> list[Member]:
    """Functions that were found, not started from: those that the final rung confirmed first, then by the deep one."""
    said = {(e.hash, e.rung): e.fitness for e in population.evaluations()}
    final, deep = RUNGS.final.name, RUNGS.deep.name
    found = [slot.member for slot in slots if slot.scored and slot.generation > 0]
    worst = float("inf")
    return sorted(
        (member for member in found if said.get((member.hash, deep), worst) < worst),
        key=lambda member: (said.get((member.hash, final), worst), said[member.hash, deep], member.hash),
    )
