"""The jail as its callers see it: graphs out of honest sources, sentences for others, and a server that is replaced."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activations.graph import Graph
from mining.jail import Jail, JailError, Level, Limits, Refused, SandboxUnavailable, client

HERE = Path(__file__).parent
SINE = "def activation(x):\n    return torch.sin(x)\n"
COSINE = "import torch\ndef activation(x):\n    return torch.cos(x)\n"


def sections(path: Path) -> dict[str, str]:
    """Sources by their titles, from a file where `### title` begins each."""
    _, *parts = re.split(r"^### (.*)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


HONEST = sections(HERE / "honest.txt")


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    with Jail(deadline=30.0) as jail:
        yield jail


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def server_of(jail: Jail) -> int:
    assert jail._server is not None
    return jail._server.process.pid


def test_every_honest_source_gives_its_graph(jail: Jail) -> None:
    results = jail.trace_all(list(HONEST.values()))
    refused = {title: str(r) for title, r in zip(HONEST, results, strict=True) if not isinstance(r, Graph)}
    assert refused == {}


def test_the_graph_is_the_one_that_a_trace_outside_gives(jail: Jail) -> None:
    from activations.trace import trace
    from mining.jail.prison import load

    for title in ("gelu-sinc", "fisg", "a sum of sines"):
        assert jail.trace(HONEST[title]) == trace(load(HONEST[title]))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\ndef activation(x):\n    return x\n", "line 1: `import os` is not allowed"),
        ("def activation(x):\n    return x if x > 0 else -x\n", r"use torch\.where"),
        ("def activation(x):\n    return x.sum()\n", "an activation keeps the shape of x"),
        ("def activation(x):\n    return x * torch.fft.rfft(x)\n", "The size of tensor a"),
        ("def activation(x):\n    return x * x.shape[0]\n", "counts an axis from the front"),
        ("def activation(x):\n    return x[x > 0]\n", "selects elements by them"),
        ("Y = 1 / 0\ndef activation(x):\n    return x\n", "fails when it is run .ZeroDivisionError"),
        ("def activation(x):\n    return x + len([0.0] * 10**10)\n", "needs more memory than the jail gives .512 MiB"),
        ("def activation(x):\n    break\n", "line 2: the source is not Python"),
        ("x = 1\n" * 9000, "the source has 54000 characters"),
    ],
)
def test_a_refusal_is_one_sentence_that_says_why(jail: Jail, source: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refusal:
        jail.trace(source)
    assert re.fullmatch(r"[^\n]*[^.\n]\.", str(refusal.value))


def test_the_deadline_ends_what_the_allow_list_cannot_foresee(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "limits", Limits(deadline=0.6))
    source = "N = 999999.0\ndef activation(x):\n    return x * math.factorial(int(N * 99))\n"
    with pytest.raises(Refused, match=r"no graph within 0\.6 s"):
        jail.trace(source)


def test_results_come_in_the_order_of_the_sources(jail: Jail) -> None:
    results = jail.trace_all([COSINE, "import os", SINE, COSINE])
    assert [ops(r) if isinstance(r, Graph) else type(r) for r in results] == [["cos"], Refused, ["sin"], ["cos"]]
    assert jail.trace_all([]) == []


def test_threads_wait_for_one_another(jail: Jail) -> None:
    results: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        results[number] = ops(jail.trace(SINE if number % 2 else COSINE))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: ["sin" if number % 2 else "cos"] for number in range(4)}


def test_a_server_that_dies_is_replaced_and_a_closed_jail_ends_it(jail: Jail) -> None:
    first = server_of(jail)
    os.kill(first, signal.SIGKILL)
    assert ops(jail.trace(SINE)) == ["sin"]
    second = server_of(jail)
    assert second != first
    jail.close()
    assert not Path(f"/proc/{second}").exists()


class FakeServer:
    """Says hello, and then nothing more."""

    hello: dict[str, Any]
    then: type[BaseException] = EOFError
    stopped = 0

    def __init__(self, past_check: bool) -> None:
        self.said = False

    def receive(self, patience: float) -> dict[str, Any]:
        if self.said:
            raise self.then("gone")
        self.said = True
        return self.hello

    def send(self, *_: Any) -> None:
        pass

    def stop(self) -> None:
        type(self).stopped += 1


def fake(monkeypatch: pytest.MonkeyPatch, **hello: Any) -> type[FakeServer]:
    kind = type("Fake", (FakeServer,), {"hello": hello})
    monkeypatch.setattr(client, "_Server", kind)
    return kind


def test_a_level_below_what_is_required_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = fake(monkeypatch, level="landlock", missing=["seccomp is not in effect (why)."])
    with pytest.raises(SandboxUnavailable, match=r"level landlock, and seccomp is required: seccomp is not in effect"):
        Jail(require=Level.SECCOMP)
    assert kind.stopped == 1
    assert Jail(require=Level.LANDLOCK).level == Level.LANDLOCK
    assert Jail().missing == ("seccomp is not in effect (why).",)


def test_a_machine_without_any_level_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = fake(monkeypatch, failed="RuntimeError: no process can be confined here")
    with pytest.raises(SandboxUnavailable, match="cannot be set up on this machine: RuntimeError: no process"):
        Jail()
    assert kind.stopped == 1


def test_a_server_that_dies_twice_is_the_jails_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = fake(monkeypatch, level="full", missing=[])
    with pytest.raises(JailError, match="ended twice in a row"):
        Jail().trace(SINE)
    assert kind.stopped == 2


def test_an_interrupted_call_ends_the_server_with_the_answers_that_nobody_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = fake(monkeypatch, level="full", missing=[])
    kind.then = KeyboardInterrupt
    jail = Jail()
    with pytest.raises(KeyboardInterrupt):
        jail.trace(SINE)
    assert (kind.stopped, jail._server) == (1, None)


def test_a_server_that_does_not_start_tells_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "no-python"
    script.write_text("#!/bin/sh\necho it is broken. >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(JailError, match=r"does not start: it is broken\.$"):
        Jail()


def test_the_jail_needs_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for call in (Jail, client.available):
        with pytest.raises(SandboxUnavailable, match="needs Linux"):
            call()


def test_the_server_gets_nothing_of_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    assert "a-secret" not in str(client.environment())


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--require-sandbox", "process"], 0)])
def test_the_level_is_printed(arguments: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mining.jail", *arguments],
        env=client.environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (status, str(client.available()))


def test_importing_the_jail_imports_no_framework() -> None:
    code = "import sys, mining.jail; print(sorted({'torch', 'jax', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
