"""The warm server: imports torch and the tracer once, then gives every candidate a child of its own.

    python -m mining.jail.server CHANNEL [--past-check]

CHANNEL is the number of an open socket to the client. The server is a fresh interpreter, so that its children inherit
no thread, no CUDA context and no secret of the client. It runs nothing of a candidate and reads nothing into what one
writes: bytes go through to the client. `--past-check` runs sources without the allow-list, for the tests of the jail.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mining.jail import wire
from mining.jail.confine import RESULT, Level, Limits, adopt_orphans, confine
from mining.jail.prison import serve

CHUNK = 1 << 16
PATIENCE = 0.1
"""Seconds that a process which closed its pipe is given to end by itself, so that its death is told from ours."""


@dataclass
class Inmate:
    """A candidate's process, from the server's side."""

    number: int
    """Of the request."""
    process: int
    pipe: int
    limits: Limits
    ends: float
    """When it is killed, on the monotonic clock."""
    output: bytearray = field(default_factory=bytearray)


class Server:
    """One thread, one loop: requests in, children out, results back."""

    def __init__(self, channel: socket.socket, past_check: bool) -> None:
        self.channel = channel
        self.past_check = past_check
        self.level = Level.PROCESS
        self.inmates: dict[int, Inmate] = {}
        """By the pipe that each writes to."""
        self.selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the client closes the channel."""
        self.selector.register(self.channel, selectors.EVENT_READ)
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._turn()
        for inmate in list(self.inmates.values()):
            self._end(inmate)

    def _turn(self) -> None:
        nearest = min((i.ends for i in self.inmates.values()), default=None)
        patience = None if nearest is None else max(0.0, nearest - time.monotonic())
        for key, _ in self.selector.select(patience):
            if key.fileobj is self.channel:
                self._accept(wire.receive(self.channel))
            elif key.fd in self.inmates:
                self._read(self.inmates[key.fd])
        now = time.monotonic()
        for inmate in [i for i in self.inmates.values() if i.ends <= now]:
            self._finish(inmate, "deadline")

    def _accept(self, request: dict[str, Any]) -> None:
        limits = Limits(request["deadline"], request["memory"], request["output"])
        here = os.getpid()
        pipe, theirs = os.pipe()
        ends = time.monotonic() + limits.deadline
        process = os.fork()
        if process == 0:
            serve(request["source"], theirs, here, self.level, limits, self.past_check)
        os.close(theirs)
        self.inmates[pipe] = Inmate(request["number"], process, pipe, limits, ends)
        self.selector.register(pipe, selectors.EVENT_READ)

    def _read(self, inmate: Inmate) -> None:
        part = os.read(inmate.pipe, CHUNK)
        inmate.output += part
        if not part:
            self._finish(inmate, "")
        elif len(inmate.output) > inmate.limits.output:
            self._finish(inmate, "flood")

    def _finish(self, inmate: Inmate, end: str) -> None:
        """Kill what is left of it and tell the client: `end` is why it was killed, empty where it closed its pipe."""
        if not end and not _await(inmate.process, PATIENCE):
            end = "lingering"
        status = self._end(inmate)
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        output = base64.b64encode(inmate.output[: inmate.limits.output]).decode()
        wire.send(self.channel, {"number": inmate.number, "end": end, "signal": killed, "output": output})

    def _end(self, inmate: Inmate) -> int:
        """The wait status of the process, after it and all its session have been killed."""
        self.selector.unregister(inmate.pipe)
        os.close(inmate.pipe)
        del self.inmates[inmate.pipe]
        for kill in (os.killpg, os.kill):  # the group is not there yet when the child has hardly begun
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(inmate.process, signal.SIGKILL)
        status = os.waitpid(inmate.process, 0)[1]
        self._sweep()
        return status

    def _sweep(self) -> None:
        """Kill the descendants that were left behind: this process inherits them, whatever session they are in."""
        own = {inmate.process for inmate in self.inmates.values()}
        while strays := set(children()) - own:
            for stray in strays:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(stray, signal.SIGKILL)
                    os.waitpid(stray, 0)


def _await(process: int, patience: float) -> bool:
    """Whether the process ends within so many seconds; it is left unreaped, so that its number stays taken."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.0005)
    return False


def children() -> list[int]:
    """Processes whose parent this one is."""
    with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(word) for word in file.read().split()]
    return []  # a kernel that does not tell; the session has been killed all the same


def probe() -> tuple[Level, list[str]]:
    """How far a child of this process can be confined: one is, tells, and is killed.

    Raises:
        RuntimeError: a layer that every Linux has does not take effect, or the child cannot be killed.
    """
    here = os.getpid()
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        _confess(here, writer)
    os.close(writer)
    level, *missing = os.read(reader, CHUNK).decode().split("\n")
    os.close(reader)
    try:
        os.kill(process, signal.SIGKILL)
    except PermissionError as error:
        raise RuntimeError("a confined process could not be killed here: run as another user than root") from error
    os.waitpid(process, 0)
    if level not in {str(known) for known in Level}:
        raise RuntimeError(f"no process can be confined here: {' '.join(missing) or 'the attempt crashed'}")
    return Level[level.upper()], missing


def _confess(parent: int, pipe: int) -> NoReturn:
    """The probe's side: confine this process, tell how far that went, wait for the end."""
    try:
        os.dup2(pipe, RESULT)
        try:
            report = confine(parent, Limits())
            told = [str(report.level), *report.missing]
        except BaseException as error:
            told = ["failed", str(error)]
        os.write(RESULT, "\n".join(told).encode())
        time.sleep(60)
    finally:
        os._exit(0)


def warm_up() -> None:
    """Import, before any fork, all that a trace needs: nothing can be opened inside."""
    import torch

    from activations.trace import TraceError, trace
    from mining.jail.prison import load
    from mining.jail.warm import SOURCES

    torch.set_num_threads(1)
    for source in SOURCES:
        with contextlib.suppress(TraceError):
            trace(load(source))
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages of every object


def main(arguments: list[str]) -> None:
    """Confine a probe, warm up, say hello, serve."""
    channel = socket.socket(fileno=int(arguments[0]))
    server = Server(channel, "--past-check" in arguments)
    try:
        adopt_orphans()
        server.level, missing = probe()
        warm_up()
    except Exception as error:
        wire.send(channel, {"failed": f"{type(error).__name__}: {error}"})
        return
    wire.send(channel, {"level": str(server.level), "missing": missing})
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
