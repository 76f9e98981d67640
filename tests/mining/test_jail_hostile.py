"""Hostile sources that are let past the allow-list, to show that the process jail holds without it.

Every source tries to leave a trace: a file, a connection, a process, a signal, a secret or `LOOT` in its reason, a
graph where none can be. Sources marked `(control)` leave one when they run outside: the traces are seen.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from activations.graph import Graph
from mining.jail import Jail, Level, Limits, Refused

CORPUS = Path(__file__).parent / "hostile" / "contained"
SECRET = "the-caller-has-a-secret"
HONEST = "def activation(x):\n    return x.sin() * 2\n"
DEADLINE = 0.6

ANYWHERE = {"floods", "forged", "recursion"}
"""What the process and its limits hold back alone; the others need the filter of system calls."""


def sections(path: Path) -> dict[str, str]:
    """Sources by their titles, from a file where `### title` begins each."""
    _, *parts = re.split(r"^### (.*)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


SOURCES = {path.stem: sections(path) for path in sorted(CORPUS.glob("*.txt"))}
CONTROLS = [
    pytest.param(source, id=f"{kind}: {title}")
    for kind, sources in SOURCES.items()
    for title, source in sources.items()
    if title.endswith("(control)")
]


@dataclass
class World:
    """What a hostile source may try to reach, and what it would leave there."""

    folder: Path
    secret: Path
    listener: socket.socket
    signals: list[int]

    def fill(self, source: str, server: int) -> str:
        """The source with this world's names."""
        port = self.listener.getsockname()[1]
        values = {"FOLDER": self.folder, "SECRET": self.secret, "PORT": port, "CALLER": os.getpid(), "SERVER": server}
        return re.sub(r"@([A-Z]+)@", lambda found: str(values[found[1]]), source)

    def traces(self, said: str) -> list[str]:
        """Everything that was left, and what of the secret was said."""
        found = [path.name for path in self.folder.iterdir()]
        found += [word for word in ("LOOT", SECRET) if word in said]
        if not self.secret.exists() or self.secret.read_text() != SECRET:
            found.append("the secret was changed")
        elif stat.S_IMODE(self.secret.stat().st_mode) != 0o666:
            found.append("the secret's rights were changed")
        try:
            while True:
                self.listener.accept()[0].close()
                found.append("a connection")
        except BlockingIOError:
            return found + [f"signal {number}" for number in self.signals]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Open to every user, so that what keeps a source out is the jail."""
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_uid == os.getuid() and parent != Path(parent.anchor):
            parent.chmod(parent.stat().st_mode | 0o055)
    folder, secret = tmp_path / "open", tmp_path / "secret"
    folder.mkdir()
    folder.chmod(0o777)
    secret.write_text(SECRET)
    secret.chmod(0o666)
    received: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield World(folder, secret, listener, received)
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    """A jail without its first wall."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAIL_TEST_SECRET", SECRET)
        with Jail(deadline=DEADLINE, memory=128 << 20, workers=4, past_check=True) as jail:
            yield jail


def server_of(jail: Jail) -> int:
    assert jail._server is not None
    return jail._server.process.pid


def children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def test_there_are_many() -> None:
    assert sum(len(sources) for sources in SOURCES.values()) >= 150


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_comes_of(kind: str, jail: Jail, world: World) -> None:
    if kind not in ANYWHERE and jail.level < Level.SECCOMP:
        pytest.skip(f"the level here is {jail.level}: {' '.join(jail.missing)}")
    server = server_of(jail)
    titles = list(SOURCES[kind])
    begun = time.monotonic()
    results = jail.trace_all([world.fill(source, server) for source in SOURCES[kind].values()])
    assert time.monotonic() - begun < (DEADLINE + 5) * len(titles)
    graphs = [title for title, result in zip(titles, results, strict=True) if isinstance(result, Graph)]
    assert graphs == [title for title in titles if title.endswith("(graph)")]
    reasons = {title: str(result) for title, result in zip(titles, results, strict=True)}
    for title, reason in reasons.items():
        assert world.traces(reason) == [], title
    assert server_of(jail) == server
    assert children(server) == []
    jail.limits = Limits(30.0, 512 << 20)
    assert len(jail.trace(HONEST).nodes) == 2
    jail.limits = Limits(DEADLINE, 128 << 20)


@pytest.mark.parametrize("source", CONTROLS)
def test_outside_it_leaves_a_trace(source: str, world: World) -> None:
    done = subprocess.run([sys.executable, "-c", world.fill(source, 0)], capture_output=True, text=True, timeout=60)
    assert world.traces(done.stderr) != []


def test_one_does_not_wait_for_another(jail: Jail) -> None:
    endless = "while True:\n    pass\n"
    begun = time.monotonic()
    results = jail.trace_all([endless] * 4)
    assert all(isinstance(result, Refused) and "within" in str(result) for result in results)
    assert time.monotonic() - begun < 4 * DEADLINE + 5


def test_the_dead_leave_no_one_behind_when_the_server_dies(jail: Jail) -> None:
    server = server_of(jail)
    jail.limits = Limits(60.0, 128 << 20)
    jail._server.send(0, "while True:\n    pass\n", jail.limits)  # type: ignore[union-attr]
    while not (born := children(server)):
        time.sleep(0.01)
    os.kill(server, signal.SIGKILL)
    while Path(f"/proc/{born[0]}").exists() and "Z" not in Path(f"/proc/{born[0]}/stat").read_text().split()[2]:
        time.sleep(0.01)
    jail.close()
    jail.limits = Limits(DEADLINE, 128 << 20)
