"""What a process does to itself before a stranger's code runs in it: gives up everything, for good.

Layers that every Linux has must take effect, or `ConfineError` says which did not. Landlock and seccomp depend on the
kernel: the report says what took effect, and each is tried out before it is believed.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import math
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

from mining.jail import filter

NOBODY = 65534
"""User and group that root becomes."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 4, 38, 36
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_GETPPID = {"x86_64": 110, "aarch64": 173}


class ConfineError(RuntimeError):
    """A layer that must take effect did not; nothing of a stranger's may run in this process."""


class Level(enum.IntEnum):
    """How much stands between a candidate and the machine; each level includes `PROCESS`, FULL includes all."""

    PROCESS = 0
    """The allow-list, a process of its own without environment or open files, limits on memory, processor time and
    new processes, and the deadline. A text that slips past the allow-list could read what the user can read."""
    LANDLOCK = 1
    """And no file opened, made or removed; from Linux 6.7 no TCP connection, from 6.12 no signal to the outside."""
    SECCOMP = 2
    """And no file opened, no socket made, no process started or signalled: only allowed system calls are left."""
    FULL = 3
    """Landlock and seccomp."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Limits:
    """What one candidate may use."""

    deadline: float = 5.0
    """Seconds of wall time from the start of its process to its result."""
    memory: int = 512 << 20
    """Bytes of address space beyond what the server's image takes."""
    output: int = 1 << 20
    """Bytes of its result."""


@dataclass(frozen=True)
class Report:
    """What took effect."""

    level: Level
    missing: tuple[str, ...] = ()
    """A sentence for each layer that did not."""


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


RESULT = 3
"""The open file that is left to a confined process: where it writes its result."""


def confine(parent: int, limits: Limits) -> Report:
    """Give up everything but the open file `RESULT`. The process must be a fresh child of `parent` with one thread.

    Raises:
        ConfineError: a layer that every Linux has did not take effect; the process must end.
    """
    try:
        os.setsid()
        _close_files()
        os.environ.clear()
        _libc.clearenv()
        _limit(limits)
        missing = _drop_privileges()
        _control(_PR_SET_DUMPABLE, 0)
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which resets it
        _control(_PR_SET_NO_NEW_PRIVS, 1)
        if os.getppid() != parent:
            raise ConfineError("the jail's server has ended.")
    except OSError as error:
        raise ConfineError(f"the jail could not be set up ({error}).") from error
    landlock, without_landlock = _attempt("Landlock", _landlock)
    seccomp, without_seccomp = _attempt("seccomp", _seccomp)
    level = {(False, False): Level.PROCESS, (True, False): Level.LANDLOCK, (False, True): Level.SECCOMP}
    return Report(level.get((landlock, seccomp), Level.FULL), (*missing, *without_landlock, *without_seccomp))


def adopt_orphans() -> None:
    """Make this process the parent of its descendants whose own parent ends, so that it can find and end them."""
    _control(_PR_SET_CHILD_SUBREAPER, 1)


def _control(option: int, value: int) -> None:
    if _libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} fails")


def _close_files() -> None:
    """Standard streams lead nowhere, `RESULT` stays, all else is closed."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(RESULT):
        os.dup2(nowhere, stream)
    os.closerange(RESULT + 1, max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096))


def _limit(limits: Limits) -> None:
    seconds = math.ceil(limits.deadline) + 1
    pages = int(_statm().split()[0])
    bounds = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: pages * resource.getpagesize() + limits.memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: RESULT + 3,  # Landlock's own and one to try it with
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, bound in bounds.items():
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def _statm() -> str:
    with open("/proc/self/statm") as file:
        return file.read()


def _drop_privileges() -> tuple[str, ...]:
    """Root becomes nobody where the machine lets it; capabilities go in any case."""
    missing: tuple[str, ...] = ()
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError as error:
            missing = (f"root could not become the user nobody ({error}).",)
    machine = platform.machine()
    if machine in _CAPSET:
        header, none = struct.pack("=Ii", _CAPABILITIES_V3, 0), bytes(24)
        if _libc.syscall(_CAPSET[machine], header, none) != 0:
            raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")
    elif missing:
        raise ConfineError("the jail does not run as root on this machine; run it as another user.")
    return missing


def _attempt(layer: str, apply: Callable[[], None]) -> tuple[bool, tuple[str, ...]]:
    try:
        apply()
    except (OSError, KeyError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return False, (f"{layer} is not in effect ({reason}).",)
    return True, ()


def _landlock() -> None:
    """Every right that this kernel knows is taken, and no rule gives one back."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        raise OSError(ctypes.get_errno(), "the kernel has no Landlock")
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    rights = [files, 3 if version >= 4 else 0, 3 if version >= 6 else 0]
    known = 1 if version < 4 else 2 if version < 6 else 3
    attributes = struct.pack(f"={known}Q", *rights[:known])
    rules = _libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses the Landlock rules")
    if _libc.syscall(_LANDLOCK_RESTRICT, rules, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses to enforce the Landlock rules")
    os.close(rules)
    if _can_open():
        raise ConfineError("the kernel took the Landlock rules and does not enforce them.")


def _can_open() -> bool:
    with contextlib.suppress(PermissionError):
        os.close(os.open("/", os.O_RDONLY))
        return True
    return False


def _seccomp() -> None:
    """A call that the filter does not allow must fail once it is in place."""
    machine = platform.machine()
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(0, "no filter is known for this machine")
    filter.install(_libc, machine)
    if _libc.syscall(_GETPPID[machine]) != -1:
        raise ConfineError("the kernel took the seccomp filter and does not enforce it.")
