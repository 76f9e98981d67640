"""Where cells run side by side: one lane a CPU core or a GPU, each with its environment variables."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError
from bench.provenance import cores


@dataclass(frozen=True)
class Lane:
    """A place for one cell at a time."""

    device: Literal["cpu", "cuda"]
    threads: int
    """CPU threads of its worker; 0 leaves them to the libraries."""
    environment: Mapping[str, str]


def lanes(device: str, workers: int | None) -> list[Lane]:
    """The lanes for `cpu`, `cuda` (every visible GPU) or `cuda:N`.

    On a CPU, as many workers as cores, each with one thread: two processes of one thread do more on shared cores than
    one of two, and a score must not depend on how many threads a sum was split over. On GPUs one worker each, or
    `workers` shared out among them: small networks leave most of a GPU idle.

    Raises:
        UsageError: no such device here, or a number of workers that makes no sense.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1, not {workers}")
    if device == "cpu":
        return [_cpu_lane()] * (workers or cores())
    kind, _, index = device.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise UsageError(f"--device is cpu, cuda or cuda:N, not {device!r}")
    visible = visible_gpus()
    if not visible:
        raise UsageError(f"--device {device} needs a GPU that torch can see, and there is none: use --device cpu")
    if index:
        if int(index) >= len(visible):
            raise UsageError(
                f"--device {device} does not exist: the visible GPUs are cuda:0 to cuda:{len(visible) - 1}"
            )
        visible = [visible[int(index)]]
    count = workers or len(visible)
    threads = max(1, cores() // count)
    return [gpu_lane(visible[index % len(visible)], threads) for index in range(count)]


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES of the GPUs that torch can use here; makes no CUDA context."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(index) for index in range(count)]


def gpu_name(gpu: str) -> str:
    """Product name of a GPU by its number or UUID, as records give it; empty where the driver does not say. Makes no
    CUDA context.
    """
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", "-i", gpu]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def _cpu_lane() -> Lane:
    from tasks.clrs30 import cpu_environment

    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return Lane("cpu", 1, {**dict.fromkeys(pools, "1"), **cpu_environment(1), "CUDA_VISIBLE_DEVICES": ""})


def gpu_lane(gpu: str, threads: int) -> Lane:
    """A lane on the GPU of this name or number."""
    return Lane(
        "cuda",
        threads,
        {
            "OMP_NUM_THREADS": str(threads),
            "CUDA_VISIBLE_DEVICES": gpu,
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # JAX would take most of the GPU at once
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
    )
