"""From the population into the catalogue: a mined function as a source file that says where it comes from.

The file is written from the graph. Nothing that a stranger wrote is ever run: a rationale goes into comments only.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import activations.mined
from activations.to_python import to_python
from mining.candidate import Member
from mining.catalogue import promoted_name, rediscovered
from mining.findings import formula
from mining.population import Population, PopulationError, Slot
from mining.sealed import SHIFTS, Opened, Say, Score, open_sealed
from mining.settings import RUNGS, Settings
from mining.verdict import LEVEL, Estimate

HOME = Path(activations.mined.__file__).parent
"""Folder of the package whose modules are all registered."""
SEEDS = tuple(range(2000, 2004))
"""Those of a promotion, which no rung, report or copy uses."""
WIDTH = 118
"""Columns of a comment, its sign not counted."""
FORMULA = 90
"""Characters of a formula."""


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
        return promoted_name(self.member.hash)

    @property
    def fitness(self) -> Estimate:
        """Over the families that the search saw, on the validation shift, on seeds and problems that it did not see."""
        return Estimate.of(self.evidence, SHIFTS[0], self.settings.families)

    @property
    def survives(self) -> bool:
        """Whether the whole interval over problems lies on the better side of ReLU."""
        return self.fitness.high < 0

    @property
    def run(self) -> str:
        """One line on the search."""
        proposers = ", ".join(name for name, _ in self.settings.proposers)
        return f"proposer {proposers}, seed {self.settings.seed}, {self.evaluations} functions trained"


def measure(
    population: Population,
    top: int,
    processes: int = 1,
    score: Score | None = None,
    say: Say = lambda text: None,
) -> list[Promotion]:
    """Train the best new functions of a search on fresh seeds; the first are those that the final rung confirmed.

    `processes`, `score` and `say` are those of `mining.sealed.open_sealed`.

    Raises:
        PopulationError: the population holds no search, or nothing new was found yet.
    """
    text = population.fact("settings")
    slots = population.slots()
    found = best(population, slots)[:top]
    if text is None or not found:
        raise PopulationError(
            f"{population.path.parent.name} holds nothing to promote yet: search on with `bench mine`."
        )
    settings = Settings.from_json(text)
    trained = sum(slot.scored and slot.generation > 0 for slot in slots)
    wanted = {promoted_name(member.hash): member.graph for member in found}
    opened = open_sealed(population, wanted, SEEDS, "promote", processes, score, say=say)
    return [
        Promotion(member, lineage(slots, member.hash), settings, trained, evidence)
        for member, evidence in zip(found, opened, strict=True)
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
    """Write the function's module and return its path; an earlier file of the same function is replaced.

    Raises:
        GraphError: the function has an operation that is not written as Python; nothing is written then.
    """
    text = text_of(promotion)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{promotion.name.replace('-', '_')}.py"
    draft = path.with_suffix(".tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path


def text_of(promotion: Promotion) -> str:
    """The module: where the function comes from as comments, then the function under `@register`.

    Raises:
        GraphError: as `write`.
    """
    body = re.sub(r"\A(import .*\n)*\n*", "", to_python(promotion.member.graph))
    body = body.replace("def activation(x):", "def activation(x: Tensor) -> Tensor:")
    used = sorted({"Tensor", *re.findall(r"\b(torch|F)\.", body)}, key=lambda name: (name.islower(), name))
    tasks = ", ".join(f'"lab-{family}"' for family in promotion.settings.families)
    tasks += "," if len(promotion.settings.families) == 1 else ""
    return (
        f'"""{promotion.name}: found by `bench mine` in the synthetic lab, written by `bench promote`."""\n\n'
        f"{_told(promotion)}\n"
        "from __future__ import annotations\n\n"
        f"from activations.builtin.lazy import {', '.join(used)}\n"
        "from activations.registry import register\n\n\n"
        "@register(\n"
        f'    "{promotion.name}",\n'
        f"    formula={_quoted(formula(promotion.member.graph, FORMULA))},\n"
        f'    reference="found by `bench mine` in the synthetic lab",\n'
        '    origin="mined",\n'
        f"    mined_on=({tasks}),\n"
        ")\n"
        f"{body}"
    )


def _quoted(text: str) -> str:
    """As Python text, in the quotes that a formatter would choose."""
    return repr(text) if '"' in text else json.dumps(text, ensure_ascii=False)


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
        f"  validation shift, searched families: {fitness.mean:+.3f}, {100 * LEVEL:.0f} % interval over {fitness.n} "
        f"problems {fitness.low:+.3f} to {fitness.high:+.3f}",
        *(row for shift in SHIFTS for row in _rows(promotion, shift)),
    ]
    lines = [part for line in told for part in textwrap.wrap(_printable(line), WIDTH - 2, subsequent_indent="    ")]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _rows(promotion: Promotion, shift: str) -> list[str]:
    families = promotion.evidence.families
    shown = {family: Estimate.of(promotion.evidence, shift, [family]) for family in families}
    return [
        f"  {shift} shift, {family}{'' if family in promotion.settings.families else ' (held out)'}: "
        f"{estimate.mean:+.3f} on {estimate.n} problems"
        for family, estimate in shown.items()
    ]


def _printable(text: str) -> str:
    """No line breaks or control signs: a comment stays a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def best(population: Population, slots: Sequence[Slot]) -> list[Member]:
    """New functions, neither started from nor known by a name: those that the final rung confirmed first, then by the
    deep one.
    """
    said = {(e.hash, e.rung): e.fitness for e in population.evaluations()}
    final, deep = RUNGS.final.name, RUNGS.deep.name
    found = [slot.member for slot in slots if slot.scored and slot.generation > 0]
    worst = float("inf")
    good = [member for member in found if said.get((member.hash, deep), worst) < worst]
    return sorted(
        (member for member in good if rediscovered(member.graph) is None),
        key=lambda member: (said.get((member.hash, final), worst), said[member.hash, deep], member.hash),
    )
