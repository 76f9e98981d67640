"""The seccomp filter, run by an interpreter of its instructions: the same on machines that this one is not."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from mining.jail.filter import ALLOW, ALLOWED, AUDIT, FAIL, KILL, KILLING, UNLESS_EXECUTABLE, assemble, program

MACHINES = sorted(ALLOWED)
HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+) (\d+)"),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
}


def verdict(machine: str, number: int, argument: int = 0, convention: int | None = None) -> int:
    """What the assembled filter says of a system call whose third argument is `argument`."""
    data = struct.pack(
        "=iIQ6Q", number, AUDIT[machine] if convention is None else convention, 0, 0, 0, argument, 0, 0, 0
    )
    code = assemble(program(machine))
    loaded, at = 0, 0
    while True:
        operation, then, otherwise, value = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return int(value)
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[operation]
            at += then if holds else otherwise


@pytest.mark.parametrize("machine", MACHINES)
def test_each_call_gets_its_verdict(machine: str) -> None:
    known = ALLOWED[machine] | KILLING[machine] | UNLESS_EXECUTABLE[machine]
    assert len(set(known.values())) == len(ALLOWED[machine]) + len(KILLING[machine]) + 2
    for number in range(600):
        expected = FAIL
        if number in [*ALLOWED[machine].values(), *UNLESS_EXECUTABLE[machine].values()]:
            expected = ALLOW
        elif number in KILLING[machine].values():
            expected = KILL
        assert verdict(machine, number) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_may_be_mapped_and_not_executed(machine: str) -> None:
    for number in UNLESS_EXECUTABLE[machine].values():
        assert [verdict(machine, number, protection) for protection in range(8)] == [ALLOW] * 4 + [FAIL] * 4


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_calling_convention_kills(machine: str) -> None:
    assert verdict(machine, ALLOWED[machine]["read"], convention=0x40000003) == KILL


def test_the_numbers_of_x32_kill() -> None:
    assert verdict("x86_64", 0x40000000 + ALLOWED["x86_64"]["getpid"]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header, pattern = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"needs the kernel's header {header}")
    kernel = {name: int(number) for name, number in re.findall(pattern, header.read_text())}
    for name, number in (ALLOWED[machine] | KILLING[machine] | UNLESS_EXECUTABLE[machine]).items():
        assert kernel[name] == number


def test_both_machines_allow_the_same_calls() -> None:
    assert ALLOWED["x86_64"].keys() == ALLOWED["aarch64"].keys()
    assert KILLING["x86_64"].keys() - KILLING["aarch64"].keys() == {"fork", "vfork"}
