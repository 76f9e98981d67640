"""Options that several commands share, and what is made of the words that a user gives them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from bench.errors import UsageError

Results = Annotated[Path, typer.Option("--results", help="Folder of the records.", show_default=True)]
Data = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--data", help="Folder of the data sets [default: $ACTIVATION_BENCH_DATA, or data/].", show_default=False
    ),
]
Plugins = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option(
        "--plugin", help="Python file that registers activations or tasks; may be repeated.", show_default=False
    ),
]
Device = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--device", help="cpu, cuda (all visible GPUs) or cuda:N."),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--workers", help="Cells at a time [default: one a core or GPU]."),
]
Timeout = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--timeout", help="Seconds for one cell.", show_default=False),
]
Together = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--together", help="Seeds that one program trains, where the task can [default: the task's choice]."),
]
Fuse = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option("--fuse/--no-fuse", help="Compile kernels for injected functions [default: on a GPU]."),
]
EngineName = Annotated[str, typer.Option("--engine", help="local, or ray for many machines (docs/scale.md).")]
RayAddress = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--ray-address", help="Head of the Ray cluster [default: $RAY_ADDRESS, or start one here]."),
]
GpuShare = Annotated[float, typer.Option("--gpu-share", help="Part of a GPU that a cell takes, with --engine ray.")]
RaceThem = Annotated[
    bool, typer.Option("--race", help="No further seeds for what is clearly worse than ReLU (docs/protocol.md).")
]
TimeLimit = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--time-limit", help="Like 30m: the most valuable cells first, and none that cannot end in time."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try crashed, timed-out cells again.")]
Budget = Annotated[str, typer.Option("--profile", help="Budget: smoke, cpu, small or paper.")]
Names = Optional[list[str]]  # noqa: UP045
Functions = Annotated[Names, typer.Option(help="Names, patterns, groups like @paper, or all; ReLU is the baseline.")]
RESULTS = Path("results")


def load_plugins(files: list[Path] | None) -> None:
    """Execute the user's own files, so that what they register has a name.

    Raises:
        activations.PluginError: a file is not there or fails.
    """
    if files:
        from activations import load_plugin

        for file in files:
            load_plugin(file)


def data_folder(named: Path | None, new: bool = False) -> Path:
    """The folder of the data sets: named, or by environment, or `data`.

    Raises:
        UsageError: a named one does not exist, and is not about to be made.
    """
    if named is not None and not new and not named.is_dir():
        raise UsageError(f"there is no data folder {named}: `bench data prepare` makes it, or name another with --data")
    return named or Path(os.environ.get("ACTIVATION_BENCH_DATA") or "data")


def split(names: list[str] | None, option: str) -> list[str]:
    """Names given by commas, by repeating the option, or both.

    Raises:
        UsageError: the option was given without any name.
    """
    found = [name.strip() for words in names or [] for name in words.split(",") if name.strip()]
    if names and not found:
        raise UsageError(f"{option} is empty: give it names or patterns, or leave it out")
    return found
