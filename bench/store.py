"""Folders of records: read, written whole or not at all, and claimed by one run at a time.

    results/<profile>/<task>/<activation>-s<seed>-<id>.json      published, committed
    results/local/<profile>/<task>/...                           a user's own, ignored by git
    results/local/try/<profile>/<task>/...                       of `bench try`
    results/local/tuning/<profile>/<task>/...                    trials of `bench tune`

Nothing else holds state: what is recorded is done, what is not is to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import DamagedRecord, StoreError
from bench.records import Record, read_record

LOCAL = "local"
"""Folder under the results folder for records that nobody has published."""
TRIALS, TUNING, MINING = "try", "tuning", "mining"
"""Folders beside a user's own records: those of `bench try`, trials of `bench tune`, and the runs of `bench mine`."""


@dataclass(frozen=True)
class Loaded:
    """What a folder of records held."""

    records: tuple[Record, ...]
    """Sorted by their place in the folder."""
    damaged: tuple[str, ...]
    """One sentence a file that was refused."""


class Store:
    """The records under one folder, laid out as `<profile>/<task>/<activation>-s<seed>-<id>.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / ".logs"
        """What the libraries print."""
        self.programs = root / ".programs"
        """What jax compiled."""

    def folder(self, profile: str, task: str) -> Path:
        """Where the records of one task under one profile lie."""
        return self.root / profile / task

    def find(self, profile: str, task: str, seed: int, cell: str) -> Path | None:
        """The file of the cell with this id, whatever the name its activation went by; None where there is none."""
        return next(iter(self.folder(profile, task).glob(f"*-s{seed}-{cell}.json")), None)

    def write(self, record: Record) -> Path:
        """Write a record so that at any moment its file is either absent or whole.

        Raises:
            StoreError: the folder cannot be written or is full; no part of the record is left behind.
        """
        folder = self.folder(record.profile, record.task.name)
        path = folder / record.file_name
        draft = folder / f".{record.id}.{os.getpid()}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_synced(draft, record.to_json().encode())
            self._set_aside(record, path)
            os.replace(draft, path)
            _sync_folder(folder)
        except OSError as error:
            _remove(draft)
            raise StoreError(f"cannot write results to {folder}: {_why(error)}") from None
        return path

    def _set_aside(self, record: Record, path: Path) -> None:
        """Make room for a record: an earlier one of its cell is replaced, a damaged file is kept under another name."""
        earlier = self.find(record.profile, record.task.name, record.seed, record.id)
        if earlier is None:
            return
        try:
            self.read(earlier)
        except DamagedRecord:
            earlier.rename(earlier.with_suffix(".json.damaged"))
        else:
            if earlier != path:
                earlier.unlink()

    def check_writable(self) -> None:
        """Fail early, before a cell is trained for nothing.

        Raises:
            StoreError: the folder cannot be made or written.
        """
        probe = self.root / f".probe.{os.getpid()}.tmp"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _write_synced(probe, b"x" * 4096)
        except OSError as error:
            raise StoreError(f"cannot write results to {self.root}: {_why(error)}") from None
        finally:
            _remove(probe)

    def load(self, curves: bool = True) -> Loaded:
        """Every record under the folder; damaged ones are named and left out.

        Args:
            curves: keep the curves, nine tenths of a record; a board needs none.
        """
        records: list[Record] = []
        damaged: list[str] = []
        with _without_garbage_collection():
            for path in self.paths():
                try:
                    record = self.read(path)
                except DamagedRecord as error:
                    damaged.append(str(error))
                else:
                    records.append(record if curves else record.model_copy(update={"curves": {}}))
        return Loaded(tuple(records), tuple(damaged))

    def paths(self) -> Iterator[Path]:
        """The files that should be records, sorted; `local` and what starts with a dot are left out."""
        for profile in _folders(self.root):
            if profile.name in (LOCAL, TRIALS, TUNING, MINING):
                continue
            for task in _folders(profile):
                names = sorted(name for name in os.listdir(task) if name.endswith(".json") and name[0] != ".")
                yield from (task / name for name in names)

    def read(self, path: Path) -> Record:
        """The record in a file of this store.

        Raises:
            DamagedRecord: the file is no regular one, cannot be read, is no valid record, or lies in another record's
                place.
        """
        where = "/".join(path.parts[-3:]).encode(errors="replace").decode()  # a name on a disk may be no UTF-8
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep its reader waiting
                raise DamagedRecord(f"{where} cannot be read (no regular file)")
            record = read_record(path.read_bytes(), where)
        except OSError as error:
            raise DamagedRecord(f"{where} cannot be read ({(error.strerror or str(error)).lower()})") from None
        place = f"{record.profile}/{record.task.name}/{record.file_name}"
        if where != place:
            raise DamagedRecord(f"{where} does not lie in its place ({place})")
        return record


class Claims:
    """Which cells this process is running, so that no other `bench run` starts the same ones.

    A claim is a lock on one byte of one file, at an offset made of the cell's id. The kernel drops it when the process
    ends, however it ends, so nothing is left to clean up. Locks of this kind belong to a process and fall with the
    first file object that the process closes: open one `Claims` on a folder in a process, no more.
    """

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = open(root / ".claims", "ab")  # noqa: SIM115 - held as long as the run
        except OSError as error:
            raise StoreError(f"cannot write results to {root}: {_why(error)}") from None

    def take(self, cell: str) -> bool:
        """Claim the cell with this id; False where another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(cell))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise StoreError(
                f"cannot lock {self._file.name}: {_why(error)}; keep results on a file system with locks"
            ) from None
        return True

    def drop(self, cell: str) -> None:
        """Give the cell back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(cell))

    def close(self) -> None:
        """Give back everything."""
        self._file.close()


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Looking for cycles among thousands of records, which have none, takes a third of the time to read them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _offset(cell: str) -> int:
    """Byte to lock for a cell: the first 62 bits of its id, which a 64-bit file offset can hold."""
    return int(cell[:16], 16) >> 2


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # its folder may be a file, or was never made: nothing was written
        path.unlink(missing_ok=True)


def _why(error: OSError) -> str:
    """The system's own words, as the end of a sentence."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return f"{reason}; make room or name another folder with --results"
    return f"{reason}; name another folder with --results"
