"""The seccomp filter: system calls that a trace needs are allowed, all others fail, the dangerous ones kill.

Allowed are memory, time, signals' handlers, reading and writing files that are open already, and ending. Nothing can be
opened, connected, started, signalled or traced. Memory that is mapped from now on cannot be executed. A call in the
foreign calling convention of a 64-bit kernel (i386, x32) kills.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

ALLOWED = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "munmap": 11, "brk": 12, "rt_sigaction": 13,
        "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35,
        "getpid": 39, "exit": 60, "gettimeofday": 96, "getrusage": 98, "getuid": 102, "getgid": 104, "geteuid": 107,
        "getegid": 108, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
        "set_robust_list": 273, "getrandom": 318, "membarrier": 324, "rseq": 334,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "munmap": 215, "brk": 214, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216, "madvise": 233, "nanosleep": 101,
        "getpid": 172, "exit": 93, "gettimeofday": 169, "getrusage": 165, "getuid": 174, "getgid": 176, "geteuid": 175,
        "getegid": 177, "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
        "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "exit_group": 94,
        "set_robust_list": 99, "getrandom": 278, "membarrier": 283, "rseq": 293,
    },
}  # fmt: skip

UNLESS_EXECUTABLE = {"x86_64": {"mmap": 9, "mprotect": 10}, "aarch64": {"mmap": 222, "mprotect": 226}}
"""Allowed where the third argument does not ask for memory that can be executed."""

KILLING = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
        "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
        "rt_sigqueueinfo": 129, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "reboot": 169,
        "init_module": 175, "delete_module": 176, "tkill": 200, "tgkill": 234, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "unshare": 272, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
        "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313, "memfd_create": 319,
        "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "accept": 202, "sendto": 206, "sendmsg": 211, "bind": 200, "listen": 201,
        "socketpair": 199, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117, "rt_sigqueueinfo": 138,
        "pivot_root": 41, "chroot": 51, "mount": 40, "umount2": 39, "reboot": 142, "init_module": 105,
        "delete_module": 106, "tkill": 130, "tgkill": 131, "kexec_load": 104, "add_key": 217, "request_key": 218,
        "keyctl": 219, "unshare": 97, "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273, "memfd_create": 279,
        "kexec_file_load": 294, "bpf": 280, "execveat": 281, "userfaultfd": 282, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    },
}  # fmt: skip
"""No trace comes near these: the process ends at once. Every other call that is not allowed fails with EPERM."""

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""How the kernel names the calling convention."""

KILL, FAIL, ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
"""Verdicts: end the process, fail with EPERM, let pass."""

_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _CONVENTION, _THIRD_ARGUMENT = 0, 4, 32
"""Where `struct seccomp_data` holds these; the low half of an argument comes first on both machines."""
_X32 = 0x40000000
_EXECUTABLE = 4

PR_SET_SECCOMP, MODE_FILTER = 22, 2


@dataclass(frozen=True)
class Step:
    """One instruction of the classic Berkeley packet filter."""

    code: int
    value: int
    then: int = 0
    """Instructions to skip where a comparison holds."""
    otherwise: int = 0


def program(machine: str) -> list[Step]:
    """The filter for a machine (`x86_64` or `aarch64`); KeyError for another."""
    steps = [Step(_LOAD, _CONVENTION), Step(_EQUAL, AUDIT[machine], 1), Step(_RETURN, KILL), Step(_LOAD, _NUMBER)]
    if machine == "x86_64":
        steps += [Step(_AT_LEAST, _X32, 0, 1), Step(_RETURN, KILL)]
    for number in ALLOWED[machine].values():
        steps += [Step(_EQUAL, number, 0, 1), Step(_RETURN, ALLOW)]
    for number in KILLING[machine].values():
        steps += [Step(_EQUAL, number, 0, 1), Step(_RETURN, KILL)]
    for number in UNLESS_EXECUTABLE[machine].values():
        steps += [
            Step(_EQUAL, number, 0, 4),
            Step(_LOAD, _THIRD_ARGUMENT),
            Step(_HAS_BIT, _EXECUTABLE, 0, 1),
            Step(_RETURN, FAIL),
            Step(_RETURN, ALLOW),
        ]
    return [*steps, Step(_RETURN, FAIL)]


def assemble(steps: list[Step]) -> bytes:
    """The instructions as the kernel reads them."""
    return b"".join(struct.pack("=HBBI", step.code, step.then, step.otherwise, step.value) for step in steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install(libc: ctypes.CDLL, machine: str) -> None:
    """Put this process, which must have one thread and no_new_privs, under the filter for good.

    Raises:
        KeyError: no filter is known for the machine.
        OSError: the kernel refuses it.
    """
    code = assemble(program(machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    found = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(found), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses the seccomp filter")
