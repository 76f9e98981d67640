"""A plugin with a task that trains nothing: what a cell of it takes is what the harness costs."""

import time
from dataclasses import dataclass
from pathlib import Path

from activations import Activation, Injection
from tasks import Context, Dataset, DataStatus, Measurement, Metric, TaskSpec, register_task

CALLS = 10_000
"""Progress calls a cell; more than any training of seconds makes."""


@dataclass(frozen=True)
class Recipe:
    """How often progress is reported."""

    calls: int = CALLS


class Idle:
    """Reports progress, trains nothing, and measures what its reports cost."""

    spec = TaskSpec(
        name="idle",
        version=1,
        title="Nothing, to measure the harness",
        family="idle",
        track="stand-in",
        dataset=Dataset("none", "there is no data"),
        model="none",
        sites=1,
        site_rule="there is no network; one site is declared and reported, as every task must",
        metric=Metric("nothing", "%", higher_is_better=True, chance=None),
        recipes={"smoke": Recipe()},
    )

    def data_status(self, data: Path | None) -> DataStatus:
        """Nothing is needed."""
        return DataStatus(True)

    def run(self, activation: Activation, seed: int, recipe: Recipe, context: Context) -> Measurement:
        """Report progress, and nothing else."""
        begun = time.perf_counter()
        for step in range(recipe.calls):
            context.progress(step, recipe.calls, 1.0)
        seconds = (time.perf_counter() - begun) / recipe.calls
        series = {f"series_{number}": [0.1 * step for step in range(300)] for number in range(4)}
        audit = Injection(found=1, swapped=1, left=0, sites=("none",), executed=1)
        return Measurement(float(seed), {"seconds_a_call": seconds}, series, audit, 0, 0.0, 0.0, 0.0)


register_task(Idle())
