"""What a search has found so far, in one SQLite file: proposals, evaluations, lineage, and who opened the sealed shift.

Nothing is kept in memory alone. A proposal is written before it is looked at, an evaluation as soon as it is done, the
end of a generation in one transaction: a search that is killed at any moment loses the evaluations in flight, and goes
on as if nothing had happened.
"""

from __future__ import annotations

import fcntl
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from activations import Graph
from mining.candidate import Member, Proposal, Rejected

FORMAT = 1
"""Version of the tables."""

STATES = "states"
"""Name of the fact that holds what the proposers know."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS candidates (
    generation INTEGER NOT NULL, slot INTEGER NOT NULL, island INTEGER NOT NULL,
    proposer TEXT NOT NULL, operation TEXT NOT NULL, rationale TEXT NOT NULL, source TEXT NOT NULL,
    parents TEXT NOT NULL, graph TEXT,
    hash TEXT, stage TEXT, reason TEXT, twin TEXT, niche TEXT,
    rung TEXT, fitness REAL, families TEXT,
    PRIMARY KEY (generation, slot)
);
CREATE TABLE IF NOT EXISTS evaluations (
    hash TEXT NOT NULL, rung TEXT NOT NULL, fitness REAL NOT NULL, families TEXT NOT NULL, problems TEXT NOT NULL,
    exact INTEGER NOT NULL, cpu_seconds REAL NOT NULL,
    PRIMARY KEY (hash, rung)
);
CREATE TABLE IF NOT EXISTS generations (number INTEGER PRIMARY KEY, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS openings (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL, hash TEXT NOT NULL, seeds TEXT NOT NULL,
    result TEXT NOT NULL
);
"""


class PopulationError(ValueError):
    """A file that is no population, or belongs to a search with other settings; one sentence says which."""


@dataclass(frozen=True)
class Slot:
    """One proposal in its place, with what came of it so far."""

    generation: int
    slot: int
    island: int
    proposal: Proposal
    hash: str | None = None
    """Of its graph, once it is traced."""
    stage: str | None = None
    """Where it was rejected; None where it was not."""
    reason: str | None = None
    twin: str | None = None
    """Hash of the equal function that was known before."""
    niche: tuple[int, ...] | None = None
    rung: str | None = None
    """Last rung that it reached; None before its generation is closed."""
    fitness: float | None = None
    families: Mapping[str, float] | None = None

    @property
    def scored(self) -> bool:
        """Whether it was trained."""
        return self.fitness is not None

    @property
    def member(self) -> Member:
        """The scored function; only where `scored`."""
        assert self.proposal.graph is not None
        assert self.hash is not None
        assert self.fitness is not None
        return Member(
            hash=self.hash,
            graph=self.proposal.graph,
            source=self.proposal.source,
            rationale=self.proposal.rationale,
            proposer=self.proposal.proposer,
            fitness=self.fitness,
            families=self.families or {},
            parents=self.proposal.parents,
            island=self.island,
            niche=self.niche or (),
        )

    @property
    def rejected(self) -> Rejected | None:
        """The rejection, where it was one."""
        return None if self.stage is None else Rejected(self.proposal, self.stage, self.reason or "")


@dataclass(frozen=True)
class Evaluation:
    """What one rung said of one function."""

    hash: str
    rung: str
    fitness: float
    families: Mapping[str, float]
    problems: Mapping[str, float]
    """Mean log10 ratio to ReLU's loss of each problem."""
    exact: bool
    cpu_seconds: float


@dataclass(frozen=True)
class Opening:
    """One look at the sealed test shift."""

    at: str
    """UTC, ISO 8601."""
    reason: str
    """`report` or `promote`."""
    hash: str
    seeds: tuple[int, ...]
    result: Mapping[str, Any]


class Population:
    """The file of one search; open it in one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            PopulationError: it is no population, one of another version, or in use by another process.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = _locked(path)
        try:
            self._db = sqlite3.connect(path, timeout=2.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
            self._check_format()
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise PopulationError(f"{path} cannot be opened as a population ({error}): name another run.") from error
        except PopulationError:
            self.close()
            raise

    def _check_format(self) -> None:
        found = self.fact("format")
        if found is None:
            self.set_fact("format", str(FORMAT))
        elif found != str(FORMAT):
            raise PopulationError(f"{self.path} has format {found}; this version reads format {FORMAT}: start anew.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        self._lock.close()

    def fact(self, name: str) -> str | None:
        """A fact about the whole search, such as its settings; None where it was not set."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Set a fact, replacing an earlier one."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def add_proposals(
        self, generation: int, island: int, proposals: Sequence[Proposal], states: Mapping[str, str] | None = None
    ) -> None:
        """Write a generation's proposals and what their proposers know after making them, all or nothing."""
        rows = [
            (generation, slot, island, p.proposer, p.operation, p.rationale, p.source, json.dumps(p.parents),
             None if p.graph is None else p.graph.to_json())
            for slot, p in enumerate(proposals)
        ]  # fmt: skip
        columns = "generation, slot, island, proposer, operation, rationale, source, parents, graph"
        with self._transaction():
            self._db.executemany(f"INSERT INTO candidates ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
            self._set_states(states or {})

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Write what a rung said, as soon as it is known."""
        self._db.execute(
            "INSERT OR REPLACE INTO evaluations VALUES (?,?,?,?,?,?,?)",
            (evaluation.hash, evaluation.rung, evaluation.fitness, json.dumps(dict(evaluation.families)),
             json.dumps(dict(evaluation.problems)), int(evaluation.exact), evaluation.cpu_seconds),
        )  # fmt: skip

    def close_generation(self, number: int, slots: Sequence[Slot], states: Mapping[str, str], seconds: float) -> None:
        """Write what came of a generation and what its proposers have learnt, all or nothing."""
        rows = [
            (s.proposal.source, None if s.proposal.graph is None else s.proposal.graph.to_json(), s.hash, s.stage,
             s.reason, s.twin, None if s.niche is None else json.dumps(s.niche), s.rung, s.fitness,
             None if s.families is None else json.dumps(dict(s.families)), s.generation, s.slot)
            for s in slots
        ]  # fmt: skip
        with self._transaction():
            self._db.executemany(
                "UPDATE candidates SET source=?, graph=?, hash=?, stage=?, reason=?, twin=?, niche=?, rung=?, "
                "fitness=?, families=? WHERE generation=? AND slot=?",
                rows,
            )
            self._set_states(states)
            self._db.execute("INSERT INTO generations VALUES (?,?)", (number, seconds))

    def add_opening(self, opening: Opening) -> None:
        """Log a look at the sealed shift, with what was seen."""
        self._db.execute(
            "INSERT INTO openings (at, reason, hash, seeds, result) VALUES (?,?,?,?,?)",
            (opening.at, opening.reason, opening.hash, json.dumps(opening.seeds), json.dumps(dict(opening.result))),
        )

    def slots(self, generation: int | None = None) -> list[Slot]:
        """Proposals in the order in which they were made; of one generation, or of all closed ones."""
        where, values = (
            ("generation = ?", (generation,)) if generation is not None else ("generation < ?", (self.next,))
        )
        found = self._db.execute(
            "SELECT generation, slot, island, proposer, operation, rationale, source, parents, graph, hash, stage, "
            f"reason, twin, niche, rung, fitness, families FROM candidates WHERE {where} ORDER BY generation, slot",
            values,
        )
        return [_slot(row) for row in found]

    def evaluations(self) -> list[Evaluation]:
        """Every evaluation, by function and rung."""
        found = self._db.execute(
            "SELECT hash, rung, fitness, families, problems, exact, cpu_seconds FROM evaluations ORDER BY rowid"
        )
        return [
            Evaluation(h, rung, _number(f), json.loads(families), json.loads(problems), bool(exact), cpu)
            for h, rung, f, families, problems, exact, cpu in found
        ]

    def openings(self) -> list[Opening]:
        """Every look at the sealed shift, oldest first."""
        found = self._db.execute("SELECT at, reason, hash, seeds, result FROM openings ORDER BY number")
        return [
            Opening(at, why, h, tuple(json.loads(seeds)), json.loads(result)) for at, why, h, seeds, result in found
        ]

    @property
    def next(self) -> int:
        """Number of the first generation that is not closed."""
        return int(self._db.execute("SELECT COALESCE(MAX(number) + 1, 0) FROM generations").fetchone()[0])

    @property
    def seconds(self) -> float:
        """Wall time of all closed generations."""
        return float(self._db.execute("SELECT COALESCE(SUM(seconds), 0.0) FROM generations").fetchone()[0])

    def states(self) -> dict[str, str]:
        """What the proposers knew when the last generation was proposed or closed, whichever is later, by name."""
        return dict(json.loads(self.fact(STATES) or "{}"))

    def _set_states(self, states: Mapping[str, str]) -> None:
        self.set_fact(STATES, json.dumps(dict(states)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise


def _locked(path: Path) -> IO[bytes]:
    """A lock on the population that falls with this process, however it ends.

    Raises:
        PopulationError: another process has it.
    """
    file = open(path.with_suffix(".lock"), "ab")  # noqa: SIM115 - held as long as the population
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise PopulationError(
            f"{path.parent} is in use by another process: wait for its end, or name another run."
        ) from None
    return file


def _slot(row: Sequence[Any]) -> Slot:
    (generation, slot, island, proposer, operation, rationale, source, parents, graph, hash_, stage, reason, twin,
     niche, rung, fitness, families) = row  # fmt: skip
    proposal = Proposal(
        proposer=proposer,
        graph=None if graph is None else Graph.from_json(graph),
        source=source,
        rationale=rationale,
        operation=operation,
        parents=tuple(json.loads(parents)),
    )
    return Slot(
        generation=generation,
        slot=slot,
        island=island,
        proposal=proposal,
        hash=hash_,
        stage=stage,
        reason=reason,
        twin=twin,
        niche=None if niche is None else tuple(json.loads(niche)),
        rung=rung,
        fitness=None if fitness is None else _number(fitness),
        families=None if families is None else json.loads(families),
    )


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)
