"""A process that runs cells of one task, one after another or several seeds at once, and answers over a pipe.

It starts fresh (spawn), sets thread counts before any numerical library is imported, runs nothing of an activation's
author (it is handed the graph), and ends when its parent does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.answer import BadAnswer, plain, plain_curves, writable
from bench.messages import Answer, Assignment, Progress, Report, Setup, Skipped
from tasks.signals import ignore_interrupts

if TYPE_CHECKING:
    from activations import Activation
    from tasks.base import Context, Diverged, Task

PROGRESS_EVERY = 0.5
"""Seconds between two progress messages to the parent, at least."""


def main(pipe: Connection, setup: Setup, born: float) -> None:
    """Serve cells until the parent sends None or goes away; `born` is the parent's clock at the start (time.time)."""
    ignore_interrupts()  # Ctrl-C reaches the whole group; the parent decides what it means
    _send_output_to(setup.log)
    os.environ.update(setup.environment)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    task = _find_task(setup)
    startup = time.time() - born
    while (assignment := pipe.recv()) is not None:
        pipe.send(_run(task, assignment, setup, pipe, startup))
        startup = 0.0
        gc.collect()


def _find_task(setup: Setup) -> Task:
    """The task to run; the user's files are executed only where it is one of theirs."""
    from activations import load_plugin
    from tasks import UnknownTask, get

    with contextlib.suppress(UnknownTask):
        return get(setup.task)
    for plugin in setup.plugins:
        load_plugin(plugin)
    return get(setup.task)


def _run(task: Task, assignment: Assignment, setup: Setup, pipe: Connection, startup: float) -> Answer | Skipped:
    """Run one cell, or several seeds at once, and turn whatever happens into an answer.

    `startup` are the seconds that it took to start this process, charged to the first cell.
    """
    from dataclasses import replace

    from activations import InjectionError
    from tasks.base import Context, MissingData

    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    _forget_peak_memory()
    begun = time.monotonic()
    context = Context(data=setup.data, device=setup.device, progress=_reporter(pipe), fuse=setup.fuse)
    together = len(assignment.seeds)
    try:
        recipe = replace(task.spec.recipes[setup.profile], **assignment.overrides)
        reports = _measure(task, assignment, recipe, context)
    except (MissingData, ImportError) as error:
        traceback.print_exc()
        return Skipped(_sentence(error))
    except InjectionError as error:
        reports = [Report("invalid_injection", writable(str(error)))] * together
    except Exception as error:  # whatever a task or a library raises is this cell's outcome, not the run's end
        traceback.print_exc()
        reports = [Report("out_of_memory" if _is_out_of_memory(error) else "crashed", _sentence(error))] * together
    memory, gpu_memory, gpu = _peak_memory(setup.device)
    share = (time.monotonic() - begun) / together
    seen = [
        replace(
            report,
            total_seconds=share,
            startup_seconds=startup / together,
            started_at=started_at,
            peak_memory_mib=memory,
            peak_gpu_memory_mib=gpu_memory,
            gpu=gpu,
            together=together,
        )
        for report in reports
    ]
    return Answer(tuple(seen))


def _measure(task: Task, assignment: Assignment, recipe: Any, context: Context) -> list[Report]:
    """Let the task run, and take down what it answers."""
    from tasks.base import Diverged, SeedBatched

    activation, seeds = revive(assignment), assignment.seeds
    if len(seeds) == 1:
        try:
            return [Report("ok", **plain(task.run(activation, seeds[0], recipe, context)))]
        except Diverged as error:
            return [_diverged(error)]
    assert isinstance(task, SeedBatched)  # several seeds are handed to no other task
    ends = task.run_seeds(activation, seeds, recipe, context)
    if len(ends) != len(seeds):
        raise BadAnswer(f"the task answered for {len(ends)} of {len(seeds)} seeds")
    return [_diverged(end) if isinstance(end, Diverged) else Report("ok", **plain(end)) for end in ends]


def _diverged(error: Diverged) -> Report:
    return Report("diverged", writable(str(error)), curves=plain_curves(error.curves))


def revive(assignment: Assignment) -> Activation:
    """An activation from its graph; the author's function is not there to be called."""
    from activations import Activation, Graph

    return Activation.from_graph(assignment.activation, Graph.from_json(assignment.graph), assignment.formula)


def _reporter(pipe: Connection) -> Callable[[int, int, float], None]:
    """A progress callback that talks at most every `PROGRESS_EVERY` seconds."""
    due = 0.0

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + PROGRESS_EVERY
            pipe.send(Progress(int(step), int(steps), float(loss)))

    return report


def _sentence(error: BaseException) -> str:
    """The last line of the traceback, without the machine's paths."""
    text = (str(error).strip().splitlines() or [""])[0][:300]
    foreseen = type(error).__module__.startswith(("tasks.", "activations.", "bench."))
    return scrub(writable(text if foreseen and text else f"{type(error).__name__}: {text}"))


def scrub(text: str) -> str:
    """`text` with absolute paths cut down to their last part."""
    return re.sub(r"(?<![\w.~])~?(?:/[\w.+@-]+)+/([\w.+@-]+)", r"…/\1", text)


def _is_out_of_memory(error: BaseException) -> bool:
    """True for Python's, torch's (CPU and GPU) and XLA's way of saying so."""
    text = f"{type(error).__name__} {error}"
    signs = ("OutOfMemoryError", "not enough memory", "can't allocate memory", "RESOURCE_EXHAUSTED", "Out of memory")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def _send_output_to(log: Path) -> None:
    """Let everything that the libraries print, in Python or in C, go to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)


def _die_with_parent() -> None:
    """End this process when its parent ends, however that happens."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _forget_peak_memory() -> None:
    """Start the peak anew, so that a cell is not charged for the one before it."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak is then that of the process so far
        Path("/proc/self/clear_refs").write_text("5")
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: str) -> tuple[float | None, float | None, str]:
    """Peak resident MiB of this process, peak MiB on the GPU, and the GPU's product name."""
    resident = _peak_resident()
    if device == "cpu":
        return resident, None, ""
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
            return resident, round(torch.cuda.max_memory_allocated() / 2**20, 1), torch.cuda.get_device_name()
    if "jax" in sys.modules:
        import jax

        gpu = jax.devices()[0]
        peak = (gpu.memory_stats() or {}).get("peak_bytes_in_use", 0)
        return resident, round(peak / 2**20, 1), "" if gpu.platform == "cpu" else gpu.device_kind
    return resident, None, ""


def _peak_resident() -> float:
    """VmHWM where there is one: ru_maxrss starts from the parent's size, since exec carries it over."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
