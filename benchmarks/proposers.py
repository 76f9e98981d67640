"""Compares the proposers at equal evaluations: the same lab, the same start, several seeds each.

    python benchmarks/proposers.py [--evaluations 36] [--seeds 3] [--proposers genetic,random,exhaustive,controller]

Every proposer searches on its own, from ReLU alone. All rungs are of the first one's budget, so that many searches fit
into minutes, but each has seeds of its own. The table gives the best and the median fitness on the first rung, where
the search selected, what the best of the second rung is worth on the third, and what was rejected; mean and standard
deviation over search seeds. Fitness is the log10 of the out-of-distribution loss over ReLU's: lower is better. The
proposer `llm` is answered by `scripted_model.py`, from `answers.md`, which hears no scores; its run is then repeated
from its transcript alone, and must end in the same population.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from scripted_model import ANSWERS, serve
from tabulate import tabulate

import mining.settings
from bench.mine import POPULATION, hunt, run_folder
from bench.mine_setup import TRANSCRIPT, Hunt, Model
from mining.fitness import FIRST
from mining.population import Population
from mining.settings import Rungs

SHORT = Rungs(
    cheap=FIRST,
    deep=dataclasses.replace(FIRST, name="second", seeds=(10, 11)),
    final=dataclasses.replace(FIRST, name="third", seeds=(100, 101, 102)),
)


def main() -> None:
    """Search and print."""
    mining.settings.RUNGS = SHORT  # which a search reads when it begins
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=36)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--proposers", default="genetic,random,exhaustive,controller,llm")
    parser.add_argument("--results", type=Path, help="keeps the runs; a second call goes on with them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = options.results or Path(folder)
        rows = []
        for name in options.proposers.split(","):
            seeds = range(1 if name == "llm" else options.seeds)  # the same answers under any seed
            for seed in seeds:
                if name == "llm":
                    record_and_replay(results, options.evaluations)
                else:
                    search(results, name, seed, options.evaluations, language_model("", None))
            rows.append(row(results, name, seeds, options.evaluations))
            print(f"{name} is done", file=sys.stderr, flush=True)
    head = [
        "proposer",
        "seeds",
        "best, first rung",
        "median, first rung",
        "best on fresh seeds",
        "share refused by the screen",
        "share known before",
    ]
    print(f"After {options.evaluations} evaluations each:\n")
    print(tabulate(rows, headers=head, tablefmt="github"))


def record_and_replay(results: Path, evaluations: int) -> None:
    """Search with the scripted model, then again from the transcript alone; both must come to the same."""
    with serve(ANSWERS) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        search(results, "llm", 0, evaluations, language_model(f"http://127.0.0.1:{server.server_port}/v1", None))
        server.shutdown()
    home = run_folder(results, "llm-s0")
    with tempfile.TemporaryDirectory() as folder:
        search(Path(folder), "llm", 0, evaluations, language_model("", home / TRANSCRIPT))
        with (
            Population(home / POPULATION) as first,
            Population(run_folder(Path(folder), "llm-s0") / POPULATION) as again,
        ):
            assert first.slots() == again.slots(), "the replayed search differs from the recorded one"


def language_model(url: str, transcript: Path | None) -> Model:
    """The scripted model, or its recorded answers."""
    live = transcript is None
    return Model(url, ("scripted",), "", 1.0, 4, 2048, "max_tokens", 1, 120.0, 1000, None, None, (), transcript, live)


def search(results: Path, proposer: str, seed: int, evaluations: int, model: Model) -> None:
    """One search, without a report."""
    asked = Hunt(
        run="",
        evaluations=evaluations,
        hours=None,
        seed=seed,
        proposers=(proposer,),
        start=("relu",),
        families=(),
        fitness="lab",
        data=Path("data"),
        flops=None,
        whole_tensor=False,
        require_sandbox="",
        device="cpu",
        workers=None,
        results=results,
        top=0,
        model=model,
    )
    status = hunt(asked)
    if status:
        sys.exit(status)


def row(results: Path, proposer: str, seeds: Sequence[int], evaluations: int) -> list[str]:
    """What the first `evaluations` trained functions of each search came to."""
    found = [one(results, f"{proposer}-s{seed}", evaluations) for seed in seeds]
    return [proposer, str(len(found)), *(spread(column) for column in zip(*found, strict=True))]


def one(results: Path, run: str, evaluations: int) -> tuple[float, ...]:
    """Best and median on the first rung, the third rung's word on the second one's best, shares of the proposals that
    the screen refused and that were known before.
    """
    with Population(run_folder(results, run) / POPULATION) as population:
        slots = [slot for slot in population.slots() if slot.generation > 0]
        said = {(e.hash, e.rung): e.fitness for e in population.evaluations()}
    trained = [slot for slot in slots if slot.scored][:evaluations]
    assert len(trained) == evaluations, f"{run} ended after {len(trained)} evaluations: ask for fewer"
    looked_at = slots[: slots.index(trained[-1]) + 1]
    cheap = [said[slot.hash or "", SHORT.cheap.name] for slot in trained]
    records = [h for slot in trained if ((h := slot.hash or ""), SHORT.final.name) in said]
    best = min(records, default="", key=lambda h: said[h, SHORT.deep.name])
    last = said.get((best, SHORT.final.name), math.nan)
    refused, known = (
        sum(slot.stage == stage for slot in looked_at) / len(looked_at) for stage in ("screen", "identity")
    )
    return min(cheap), statistics.median(cheap), last, refused, known


def spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation; a dash where one of the numbers is not there."""
    if not all(map(math.isfinite, values)):
        return "–"
    sd = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):+.3f}{sd}"


if __name__ == "__main__":
    main()
