"""`bench run` and `bench tune`: the options of the commands that train."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from bench.options import (
    RESULTS,
    Budget,
    Data,
    Device,
    EngineName,
    Functions,
    Fuse,
    GpuShare,
    Names,
    Plugins,
    RaceThem,
    RayAddress,
    Results,
    RetryFailed,
    TimeLimit,
    Timeout,
    Together,
    Workers,
    data_folder,
    load_plugins,
    split,
)
from bench.profiles import TUNING_SEEDS


def run(
    profile: Budget = "smoke",
    tasks: Annotated[
        Names, typer.Option(help="Names, patterns like 'clrs30-*', or all; by commas or repeated.")
    ] = None,
    activations: Functions = None,
    seeds: Annotated[Optional[str], typer.Option(help="Like 0,1,2 or 0-4.")] = None,  # noqa: UP045
    data: Data = None,
    device: Device = None,
    workers: Workers = None,
    plugin: Plugins = None,
    results: Results = RESULTS,
    timeout: Timeout = None,
    together: Together = None,
    fuse: Fuse = None,
    retry_failed: RetryFailed = False,
    engine: EngineName = "local",
    ray_address: RayAddress = None,
    gpu_share: GpuShare = 1.0,
    race: RaceThem = False,
    time_limit: TimeLimit = None,
    skip_published: Annotated[bool, typer.Option("--skip-published", help="Leave out published cells, too.")] = False,
) -> None:
    """Train every cell that has no record yet, and show the board; a second call goes on where the first stopped."""
    from bench.session import Request, run_session

    load_plugins(plugin)
    request = Request(
        profile=profile,
        tasks=split(tasks, "--tasks"),
        activations=split(activations, "--activations"),
        seeds=seeds,
        data=data_folder(data),
        device=device,
        workers=workers,
        plugins=tuple(plugin or ()),
        results=results,
        timeout=timeout,
        retry_failed=retry_failed,
        together=together,
        fuse=fuse,
        skip_published=skip_published,
        engine=engine,
        ray_address=ray_address,
        gpu_share=gpu_share,
        race=race,
        time_limit=time_limit,
    )
    raise typer.Exit(run_session(request))


def tune(
    profile: Budget = "smoke",
    tasks: Annotated[Names, typer.Option(help="Names, patterns like 'lab-*', or all; by commas or repeated.")] = None,
    activations: Functions = None,
    seeds: Annotated[Optional[str], typer.Option(help="Of evaluation, like 0,1,2 or 0-4.")] = None,  # noqa: UP045
    tuning_seeds: Annotated[str, typer.Option(help="Of the trials; none of evaluation.")] = TUNING_SEEDS,
    data: Data = None,
    device: Device = None,
    workers: Workers = None,
    plugin: Plugins = None,
    results: Results = RESULTS,
    timeout: Timeout = None,
    together: Together = None,
    fuse: Fuse = None,
    retry_failed: RetryFailed = False,
) -> None:
    """Choose each activation's learning rate by validation, under one budget, and evaluate it as `<profile>-tuned`."""
    from bench.session import Request
    from bench.tune import tune as run_trials

    load_plugins(plugin)
    request = Request(
        profile=profile,
        tasks=split(tasks, "--tasks"),
        activations=split(activations, "--activations"),
        seeds=seeds,
        data=data_folder(data),
        device=device,
        workers=workers,
        plugins=tuple(plugin or ()),
        results=results,
        timeout=timeout,
        retry_failed=retry_failed,
        together=together,
        fuse=fuse,
    )
    raise typer.Exit(run_trials(request, tuning_seeds))
