"""The caller's side of the jail: start the server, hand in sources, get graphs or reasons."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from activations.graph import Graph
from mining.jail import wire
from mining.jail.confine import Level, Limits
from mining.jail.outline import LONGEST
from mining.jail.reply import JailError, read_reply
from mining.jail.steps import Refused

START = 180.0
"""Seconds that the server may take to import torch."""
GRACE = 30.0
"""Seconds beyond the deadline after which the server itself is taken for dead."""

_INHERITED = ("LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class SandboxUnavailable(JailError):
    """This machine cannot confine a process as far as was required, so nothing is run."""


def available() -> Level:
    """How far this machine confines a candidate, found out by a fresh process that confines itself.

    Raises:
        SandboxUnavailable: nothing can be confined here.
    """
    _require_linux()
    command = [sys.executable, "-P", "-m", "mining.jail"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=START, check=False)
    if done.returncode != 0:
        raise SandboxUnavailable(f"The jail cannot be set up on this machine: {done.stderr.strip()}")
    return Level[done.stdout.strip().upper()]


def _require_linux() -> None:
    if sys.platform != "linux":
        raise SandboxUnavailable("The jail needs Linux: run the miner there, or without proposers of source text.")


class Jail:
    """Traces untrusted sources, each in a process of its own that can do nothing else.

    `with Jail(require=Level.SECCOMP) as jail: graph = jail.trace(source)`. The server, a fresh interpreter with torch,
    is started at once; calls from several threads wait for one another.
    """

    def __init__(
        self,
        require: Level | None = None,
        deadline: float = 5.0,
        *,
        memory: int = Limits.memory,
        workers: int = 2,
        past_check: bool = False,
    ) -> None:
        """Start the server.

        Args:
            require: the least level to accept; None accepts what the machine gives.
            deadline: seconds of wall time for one source, from its process's start to its graph.
            memory: bytes for one source.
            workers: sources that `trace_all` has in work at once.
            past_check: for tests of the jail only: run sources without the allow-list.

        Raises:
            SandboxUnavailable: the level in effect is below `require`.
            JailError: the server does not start.
        """
        self.limits = Limits(deadline, memory)
        self.workers = workers
        self.missing: tuple[str, ...] = ()
        """A sentence for each layer that is not in effect."""
        self._require = require
        self._past_check = past_check
        self._lock = threading.Lock()
        self._level = Level.PROCESS
        self._server: _Server | None = None
        self._start()

    @property
    def level(self) -> Level:
        """What stands between a candidate and this machine."""
        return self._level

    def trace(self, source: str) -> Graph:
        """The graph of the source's `activation`.

        Raises:
            Refused: there is none; one sentence for the proposer.
            JailError: the jail itself failed.
        """
        (result,) = self.trace_all([source])
        if isinstance(result, Refused):
            raise result
        return result

    def trace_all(self, sources: Sequence[str]) -> list[Graph | Refused]:
        """For each source, in their order, its graph or the reason why there is none.

        Raises:
            JailError: the jail itself failed.
        """
        results: dict[int, Graph | Refused] = {}
        waiting: collections.deque[int] = collections.deque()
        for number, source in enumerate(sources):
            if not self._past_check and len(source) > LONGEST:  # not worth a process
                results[number] = Refused(f"the source has {len(source)} characters; at most {LONGEST} are allowed.")
            else:
                waiting.append(number)
        with self._lock:
            for last in (False, True):
                try:
                    self._work(sources, waiting, results)
                    break
                except (OSError, EOFError) as error:
                    if last:
                        raise JailError(f"The jail's server ended twice in a row ({error}).") from error
                    waiting = collections.deque(n for n in range(len(sources)) if n not in results)
        return [results[number] for number in range(len(sources))]

    def close(self) -> None:
        """End the server and all that it started; the jail may be used again and then starts another."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Jail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(
        self, sources: Sequence[str], waiting: collections.deque[int], results: dict[int, Graph | Refused]
    ) -> None:
        server = self._server or self._start()
        running = 0
        try:
            while waiting or running:
                while waiting and running < self.workers:
                    number = waiting.popleft()
                    server.send(number, sources[number], self.limits)
                    running += 1
                frame = server.receive(self.limits.deadline + GRACE)
                running -= 1
                try:
                    results[frame["number"]] = read_reply(frame, self.limits)
                except Refused as refusal:
                    results[frame["number"]] = refusal
        except BaseException:  # with it go the answers that nobody waits for any more
            self._stop()
            raise

    def _start(self) -> _Server:
        server = _Server(self._past_check)
        try:
            self._greet(server)
        except BaseException:
            server.stop()
            raise
        self._server = server
        return server

    def _greet(self, server: _Server) -> None:
        try:
            hello = server.receive(START)
        except (OSError, EOFError) as error:
            raise JailError(f"The jail's server does not start: {server.last_words() or error}.") from error
        if "failed" in hello:
            raise SandboxUnavailable(f"The jail cannot be set up on this machine: {hello['failed']}.")
        self._level, self.missing = Level[hello["level"].upper()], tuple(hello["missing"])
        if self._require is not None and self._level < self._require:
            raise SandboxUnavailable(
                f"This machine confines candidates at the level {self._level}, and {self._require} is required: "
                f"{' '.join(self.missing)}"
            )

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


class _Server:
    """The server's process and the channel to it."""

    def __init__(self, past_check: bool) -> None:
        _require_linux()
        self.channel, theirs = socket.socketpair()
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        command = [sys.executable, "-P", "-m", "mining.jail.server", str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                [*command, "--past-check"] if past_check else command,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def send(self, number: int, source: str, limits: Limits) -> None:
        """Ask for a source to be traced."""
        numbers = {"deadline": limits.deadline, "memory": limits.memory, "output": limits.output}
        wire.send(self.channel, {"number": number, "source": source, **numbers})

    def receive(self, patience: float) -> dict[str, Any]:
        """The next frame, waited for at most so many seconds."""
        self.channel.settimeout(patience)
        return wire.receive(self.channel)

    def last_words(self) -> str:
        """The last line that the server wrote about its own failure."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.errors.seek(0)
        lines = self.errors.read()[-4000:].decode(errors="replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else ""

    def stop(self) -> None:
        """End it; its children die with it."""
        self.channel.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.errors.close()


def environment() -> dict[str, str]:
    """The whole environment of the server: nothing of the caller's but where libraries lie."""
    root = str(Path(__file__).resolve().parents[2])
    own = {
        "PYTHONPATH": os.pathsep.join([root, *(str(Path(path).resolve()) for path in sys.path if path)]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": "/nonexistent",
        # Objects in huge pages: a fork copies one entry for 2 MiB, which halves what a candidate costs.
        "PYTHONMALLOC": "malloc",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
    return own | {name: os.environ[name] for name in _INHERITED if name in os.environ}
