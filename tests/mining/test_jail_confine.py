"""What confinement reports where the kernel lacks a layer, and that a layer which fails never looks like a result."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mining.jail import Level, available
from mining.jail.client import environment

PROBE = """
import errno, sys
from mining.jail import confine, prison, server
from mining.jail.confine import Level, Limits

def lacking():
    raise OSError(errno.ENOSYS, "lacking")

def broken(*arguments):
    raise OSError(errno.EPERM, "broken")

{change}
try:
    level, missing = server.probe()
    print(level, *missing, sep="|")
except RuntimeError as error:
    print("none", error, sep="|", flush=True)
"""


def probed(change: str) -> list[str]:
    """Level and sentences of a probe in a fresh process in which something was changed."""
    command = [sys.executable, "-P", "-c", PROBE.format(change=change)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=True)
    return done.stdout.strip().split("|")


def test_levels_are_ordered_and_named() -> None:
    assert [str(level) for level in sorted(Level)] == ["process", "landlock", "seccomp", "full"]
    assert Level.LANDLOCK | Level.SECCOMP == Level.FULL


def test_the_level_of_this_machine_is_what_a_probe_reaches() -> None:
    assert str(available()) == probed("")[0]


def test_without_landlock_the_level_is_seccomp() -> None:
    if available() != Level.FULL:
        pytest.skip(f"the level here is {available()}")
    level, sentence = probed("confine._landlock = lacking")
    assert (level, sentence) == ("seccomp", "Landlock is not in effect (Function not implemented).")


def test_without_seccomp_the_level_is_landlock() -> None:
    if available() != Level.FULL:
        pytest.skip(f"the level here is {available()}")
    level, sentence = probed("confine._seccomp = lacking")
    assert (level, sentence) == ("landlock", "seccomp is not in effect (Function not implemented).")


def test_without_both_the_level_is_process() -> None:
    level, *sentences = probed("confine._seccomp = confine._landlock = lacking")
    assert level == "process"
    assert len(sentences) >= 2


def test_an_unknown_machine_has_no_filter() -> None:
    level, *sentences = probed("confine.platform.machine = lambda: 'riscv64'\nconfine.os.geteuid = lambda: 1000")
    assert level in ("process", "landlock")
    assert "seccomp is not in effect ('riscv64')." in sentences


@pytest.mark.parametrize(
    "change",
    [
        "confine._limit = broken",
        "confine._control = broken",
        "confine._drop_privileges = broken",
        "confine._close_files = broken",
        "confine.os.setsid = broken",
        "confine.os.getppid = lambda: 1",
        "confine._libc.clearenv = broken",
    ],
)
def test_a_layer_that_every_linux_has_must_take_effect(change: str) -> None:
    level, reason = probed(change)
    assert level == "none"
    assert reason.startswith("no process can be confined here: ")


def test_a_process_that_cannot_be_killed_is_not_trusted() -> None:
    level, reason = probed("server.os.kill = broken")
    assert level == "none"
    assert "could not be killed" in reason


@pytest.mark.parametrize("layer", ["_can_open = lambda: True", "filter.install = lambda libc, machine: None"])
def test_a_layer_that_the_kernel_takes_and_does_not_enforce_is_not_believed(layer: str) -> None:
    if available() != Level.FULL:
        pytest.skip(f"the level here is {available()}")
    level, reason = probed(f"confine.{layer}")
    assert level == "none"
    assert "does not enforce" in reason


def test_a_child_that_falls_below_the_promised_level_runs_nothing() -> None:
    if available() != Level.FULL:
        pytest.skip(f"the level here is {available()}")
    change = """
import os
confine._landlock = lacking
reader, writer = os.pipe()
here = os.getpid()
if os.fork() == 0:
    prison.serve("raise SystemExit", writer, here, Level.FULL, Limits(), True)
os.close(writer)
print(os.read(reader, 999).decode().strip(), os.read(reader, 999) == b"", sep="|", end="|")
"""
    first, alone, *_ = probed(change)
    assert "the level fell from full to seccomp" in json.loads(first)["unconfined"]
    assert alone == "True"
