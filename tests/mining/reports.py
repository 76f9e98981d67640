"""What the tests of the report share: a population that was measured, and one section of a report."""

from pathlib import Path

from activations import get
from mining.population import Population
from mining.report import COMPARED, LOUD, Plan, measure
from mining.report_tables import CONTROL

from .populations import Lab, fill, score_of

KNOWN = {name: get(name).graph.hash for name in COMPARED} | {CONTROL: LOUD.hash}
"""Functions that every report opens, and their hashes."""
NOW = "2026-01-01T00:00:00+00:00"
PLAN = Plan(copies=4, seeds=(1000, 1001, 1002, 1003))


def measured(path: Path, score: object = score_of, worth: float = 1.0, plan: Plan = PLAN) -> Population:
    population = fill(path, worth=worth)
    assert callable(score)
    measure(population, Lab(), plan=plan, score=score, now=lambda: NOW)
    return population


def section(text: str, title: str) -> str:
    """One section, without its title."""
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
