"""Bring the data sets: fetch (only when told to), lay out local files, generate what can be generated, verify.

Nothing is asked on standard input. A data set appears in its folder whole and verified, or not at all.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data_sources import GENERATED, NAMES, SOURCES, Source
from bench.errors import BenchError, UsageError, unknown
from tasks.base import MissingData
from tasks.checksums import Judged, State, is_there, judge

if TYPE_CHECKING:
    from tasks import Dataset


class DataError(BenchError):
    """A data set that cannot be brought, or that is not what its publisher published."""


def prepare(names: Sequence[str], data: Path, origin: Path | None, download: bool) -> None:
    """Bring each data set into `data`, and print a line for each.

    Args:
        origin: the publisher's archive, its unpacked folder, or a folder that holds either.
        download: consent to fetch from the publisher.

    Raises:
        UsageError: an unknown name, no way to bring a data set was given, or an origin where all are generated.
        DataError: fetching failed, or the files are not those that were published.
    """
    for name in names:
        if name not in NAMES:
            raise unknown("data set", name, NAMES)
    if origin is not None and all(name in GENERATED for name in names):
        raise UsageError(f"{', '.join(names)}: generated here and taken from nowhere; leave out --from")
    try:
        data.mkdir(parents=True, exist_ok=True)
        for name in names:
            if name in GENERATED:
                _generate(name, data)
            else:
                _bring(name, SOURCES[name], data, origin, download)
    except OSError as error:
        raise DataError(f"cannot prepare {data}: {error.strerror or error}; name another folder with --data") from None


def _bring(name: str, source: Source, data: Path, origin: Path | None, download: bool) -> None:
    home = data / source.folder
    wrong = _faults(source, home) if home.exists() else {}
    offered = origin is not None or (download and source.address)
    if home.exists() and not (wrong and offered):
        print(f"{name}: in {home} already, {_verified(name, source, home)}")
        return
    if origin is None and not (download and source.address):
        raise UsageError(_how(name, source))
    with tempfile.TemporaryDirectory(prefix=".prepare-", dir=data) as work:
        place = Path(work)
        found = _locate(name, source, origin, place) if origin else _fetch(name, source, place)
        if not source.archive:
            if home.is_symlink():  # to what lacks a part
                home.unlink()
            home.symlink_to(found.resolve(), target_is_directory=True)  # too big to be copied
            print(f"{name}: {home} is a link to {found}")
            return
        known_as = str(found) if origin else source.address
        within = ""
        if found.is_file():
            within = known_as
            found = _unpack(found, known_as, source, place / "unpacked")
        if source.cut:
            found = _cut(name, source.cut, found, known_as, place / "cut")
            within = f"what is cut from {known_as}"
        summary = _verified(name, source, found, within)
        if wrong:
            aside = _replace(wrong, found, home)
            kept = f"; what lay there is kept in {', '.join(map(str, aside))}" if aside else ""
            print(f"{name}: {', '.join(wrong)} replaced in {home}, {_verified(name, source, home)}{kept}")
            return
        if place in found.parents:
            os.replace(found, home)
        else:
            shutil.copytree(found, place / "copy")
            os.replace(place / "copy", home)
    print(f"{name}: laid out in {home}, {summary}")


def _cut(name: str, cut: Callable[[Path, Path], Path], found: Path, known_as: str, place: Path) -> Path:
    try:
        return cut(found, place)
    except MissingData as error:
        raise DataError(f"{name}: in {known_as} {str(error).replace(f'{found}{os.sep}', '')}") from None


def _how(name: str, source: Source) -> str:
    """What a user can do to bring a data set, as a sentence."""
    if not source.address:
        return f"{source.terms}: fetch it there and give its folder, `bench data prepare {name} --from DIR`"
    return (
        f"{name} is not there: give {source.archive} or its unpacked folder with --from, "
        f"or consent with --download to fetch {source.address}"
    )


def _locate(name: str, source: Source, origin: Path, place: Path) -> Path:
    """The archive or the folder of a data set in what the user named."""
    if not origin.exists():
        raise DataError(f"there is no {origin}: name the publisher's archive or its folder with --from")
    if origin.is_file() and source.archive:
        return origin
    inner = (source.folder, source.inside, source.archive)
    for candidate in (origin / part for part in inner if part):
        if candidate.exists() and not _lacking(source, candidate):
            return candidate
    known = dataset(source).checksums.items()
    if origin.is_dir() and not _lacking(source, origin) and all(is_there(origin / file, due) for file, due in known):
        return origin
    wanted = source.archive or f"the folders {' and '.join(source.parts)}"
    raise DataError(f"{origin} holds neither {wanted} nor a folder {source.folder}: nothing to lay out for {name}")


def _fetch(name: str, source: Source, place: Path) -> Path:
    target = place / source.archive
    print(f"{name}: fetching {source.address}", file=sys.stderr)
    try:
        with urllib.request.urlopen(source.address, timeout=60) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{name} could not be fetched from {source.address} ({reason}): "
            f"bring {source.archive} by other means and give it with --from"
        ) from None
    return target


def _unpack(archive: Path, known_as: str, source: Source, place: Path) -> Path:
    """Unpack an archive without letting it write outside of `place`; returns the data set's folder."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(place)
        else:
            with tarfile.open(archive) as packed_tar:
                _check_members(packed_tar, place)
                if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on
                    packed_tar.extractall(place, filter="data")
                else:
                    packed_tar.extractall(place)
    except OSError as error:
        if error.errno is not None:  # of the file system, not of what the archive holds
            raise
        raise _no_archive(known_as, source, error) from None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise _no_archive(known_as, source, error) from None
    for folder in (source.folder, source.inside):
        if folder and (place / folder).is_dir():
            return place / folder
    raise DataError(f"{known_as} holds no folder {source.folder}: it is not {source.archive}")


def _check_members(packed: tarfile.TarFile, place: Path) -> None:
    """Take files and folders only, and none that would lie elsewhere, on every Python alike.

    Raises:
        TarError: an entry is neither a file nor a folder, or would lie elsewhere.
    """
    for entry in packed:
        if not (entry.isfile() or entry.isdir()):
            raise tarfile.TarError(f"{entry.name} in it is neither a file nor a folder")
        if not (place / entry.name).resolve().is_relative_to(place.resolve()):
            raise tarfile.TarError(f"{entry.name} in it would lie outside the destination")


def _no_archive(archive: str, source: Source, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0].rstrip(":")  # tarfile goes on with a line a method
    return DataError(f"{archive} is no archive that can be unpacked ({reason}): get {source.archive} again")


def _verified(name: str, source: Source, folder: Path, within: str = "") -> str:
    """Check every file or folder that has a published checksum.

    Args:
        within: what the folder was made from, where it lies in a place that the user does not know.

    Raises:
        DataError: one is absent or differs, and is no file that may be made anew.
    """
    for file, fault in _faults(source, folder).items():
        where = f"{file} in {within}" if within else folder / file
        raise DataError(f"{name}: {where} {fault}; bring a good copy with --from or --download")
    facts = dataset(source)
    if not facts.checksums:
        return "no checksums are published for it"
    states = [state for state, _ in _judged(facts, folder).values()]
    anew = states.count(State.REBUILT)
    kind = "folders" if source.cut else "files"
    verified = f"{len(states) - anew} {kind} verified"
    return f"{verified}, {anew} made anew, with known contents" if anew else verified


def _faults(source: Source, folder: Path) -> dict[str, str]:
    """What is wrong with each file or folder of a data set that is absent or differs from what was published."""
    facts = dataset(source)
    judged, faults = _judged(facts, folder), dict.fromkeys(_lacking(source, folder), "is missing")
    for file, published in facts.checksums.items():
        if file not in judged:
            faults[file] = "is missing"
        elif judged[file].state is State.WRONG:
            faults[file] = f"has the wrong checksum ({judged[file].digest}, published {published})"
    return faults


def _lacking(source: Source, folder: Path) -> list[str]:
    """The folders that it must have, and has not."""
    return [part for part in source.parts if not (folder / part).is_dir()]


def _judged(facts: Dataset, folder: Path) -> dict[str, Judged]:
    """What each file or folder that is there is."""
    there = {file: digest for file, digest in facts.checksums.items() if is_there(folder / file, digest)}
    return {file: judge(folder / file, digest, facts.rebuilt.get(file)) for file, digest in there.items()}


def _replace(files: Iterable[str], found: Path, home: Path) -> list[Path]:
    """Put verified files or folders in the place of damaged or missing ones; what else lies there stays.

    Returns:
        Where replaced folders lie now: they may hold files of the user's own.

    Raises:
        OSError: something cannot be written or moved; its damaged folder is back in its place.
    """
    aside = []
    for file in files:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".prepare-", dir=home) as work:
            draft = Path(work, "new")
            if (found / file).is_dir():
                shutil.copytree(found / file, draft)
                if os.path.lexists(home / file):  # a folder cannot take the place of a full one
                    aside.append(_exchange(draft, home, file))
                    continue
            else:
                shutil.copyfile(found / file, draft)
            os.replace(draft, home / file)
    return aside


def _exchange(draft: Path, home: Path, file: str) -> Path:
    """Put a folder in the place of an old one, which is moved aside within `home`; returns where it lies.

    Raises:
        OSError: one of them cannot be moved; the old one is where it was.
    """
    aside = Path(tempfile.mkdtemp(prefix="replaced-", dir=home))
    place, old = home / file, aside / Path(file).name
    try:
        os.replace(place, old)
        os.replace(draft, place)
    except BaseException:  # an interrupt, too
        if os.path.lexists(old) and not os.path.lexists(place):
            os.replace(old, place)
        with contextlib.suppress(OSError):
            aside.rmdir()
        raise
    return old


def dataset(source: Source) -> Dataset:
    """What the task that reads the data set states of it."""
    from tasks import get

    return get(source.task).spec.dataset


def _generate(name: str, data: Path) -> None:
    """Make the frozen test sets that `name` stands for; whole ones are kept."""
    from tasks import clrs_data

    def progress(algorithm: str, done: int, total: int) -> None:
        print(f"{name}: {done}/{total} {algorithm}", file=sys.stderr, flush=True)

    built = clrs_data.prepare(data, GENERATED[name], progress)
    kept = len(GENERATED[name]) - built
    print(f"{name}: in {data / clrs_data.FOLDER}, {built} built now, {kept} there already and verified")
