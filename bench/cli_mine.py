"""The command line of the miner: `bench mine`, `bench mine report` and `bench promote`; options and help only."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from bench.errors import UsageError
from bench.options import RESULTS, Data, Names, Results, data_folder, split

mine_app = typer.Typer(help="Search for new activation functions in the synthetic lab.", rich_markup_mode=None)

Text = Optional[str]  # noqa: UP045 - typer reads it at run time
Whole = Optional[int]  # noqa: UP045
Real = Optional[float]  # noqa: UP045
File = Optional[Path]  # noqa: UP045
Top = Annotated[int, typer.Option(help="How many of the best.", min=0)]
Workers = Annotated[Whole, typer.Option(help="Candidates at a time [default: one a core].")]


class LimitName(enum.Enum):
    """Names that endpoints have for the longest answer."""

    max_tokens = "max_tokens"
    max_completion_tokens = "max_completion_tokens"


def temperature_of(text: str) -> float | None:
    """A number, or None for `none`.

    Raises:
        UsageError: it is neither.
    """
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--llm-temperature is a number or none, not {text!r}") from None


@mine_app.callback(invoke_without_command=True)
def mine(
    context: typer.Context,
    evaluations: Annotated[Whole, typer.Option(help="Functions to train, in whole generations of 24.", min=1)] = None,
    hours: Annotated[Real, typer.Option(help="Stop after so long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    proposer: Annotated[
        Names,
        typer.Option(help="genetic, random, exhaustive, controller or llm, with weights like genetic=3,llm=1."),
    ] = None,
    run: Annotated[str, typer.Option(help="Name of the run [default: proposers and seed].", show_default=False)] = "",
    start: Annotated[Names, typer.Option(help="Known functions to start from [default: all that fit].")] = None,
    families: Annotated[
        Names, typer.Option(help="Of the lab: polynomials, harmonics, feynman [default: all but harmonics].")
    ] = None,
    fitness: Annotated[str, typer.Option(help="lab, or cifar10-resnet20 (needs CIFAR-10, hours of a GPU).")] = "lab",
    data: Data = None,
    flops: Annotated[Whole, typer.Option(help="Most floating-point operations an element.", min=1)] = None,
    whole_tensor: Annotated[
        bool, typer.Option("--whole-tensor", help="Also functions that look at other elements.")
    ] = False,
    require_sandbox: Annotated[
        str,
        typer.Option(help="process, landlock, seccomp or full: refuse foreign source with less.", show_default=False),
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    workers: Workers = None,
    top: Annotated[int, typer.Option(help="Functions to report on; 0 for no report.", min=0)] = 3,
    results: Results = RESULTS,
    llm_url: Annotated[str, typer.Option(help="OpenAI-compatible endpoint.", show_default=False)] = "",
    llm_model: Annotated[Names, typer.Option(help="NAME or NAME=WEIGHT; may be repeated.")] = None,
    llm_key: Annotated[
        str, typer.Option(help="Environment variable that holds the key; '' for none.")
    ] = "OPENAI_API_KEY",
    llm_temperature: Annotated[str, typer.Option(help="Of its answers, or none.")] = "1.0",
    llm_retries: Annotated[int, typer.Option(help="Further requests where one failed.", min=0)] = 4,
    llm_output_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 2048,
    llm_limit_name: Annotated[LimitName, typer.Option(help="What the endpoint calls that.")] = LimitName.max_tokens,
    llm_parallel: Annotated[int, typer.Option(help="Requests at a time.")] = 4,
    llm_timeout: Annotated[float, typer.Option(help="Seconds for one request.")] = 120.0,
    llm_requests: Annotated[Whole, typer.Option(help="Most requests in all.")] = 1000,
    llm_tokens: Annotated[Whole, typer.Option(help="Most tokens in all.", show_default=False)] = None,
    llm_cost: Annotated[Real, typer.Option(help="Most it may cost; needs --llm-price.", show_default=False)] = None,
    llm_price: Annotated[Names, typer.Option(help="NAME=PROMPT/COMPLETION for a million tokens each.")] = None,
    transcript: Annotated[
        File, typer.Option(help="Answers to use again and to add to [default: the run's own].", show_default=False)
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Take all answers from the transcript.")] = False,
) -> None:
    """Search for new activation functions in the synthetic lab; a second call goes on where the first stopped."""
    if context.invoked_subcommand is not None:
        return
    from bench.mine import hunt
    from bench.mine_setup import Hunt, Model

    model = Model(
        base_url=llm_url,
        models=split(llm_model, "--llm-model"),
        key_variable=llm_key,
        temperature=temperature_of(llm_temperature),
        retries=llm_retries,
        output_tokens=llm_output_tokens,
        limit_name=llm_limit_name.value,
        parallel=llm_parallel,
        timeout=llm_timeout,
        requests=llm_requests,
        tokens=llm_tokens,
        cost=llm_cost,
        prices=split(llm_price, "--llm-price"),
        transcript=transcript,
        live=not replay,
    )
    asked = Hunt(
        run=run,
        evaluations=evaluations,
        hours=hours,
        seed=seed,
        proposers=split(proposer, "--proposer") or ["genetic"],
        start=split(start, "--start"),
        families=split(families, "--families"),
        fitness=fitness,
        data=data_folder(data),
        flops=flops,
        whole_tensor=whole_tensor,
        require_sandbox=require_sandbox,
        device=device,
        workers=workers,
        results=results,
        top=top,
        model=model,
    )
    raise typer.Exit(hunt(asked))


@mine_app.command()
def report(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    top: Top = 3,
    workers: Workers = None,
    results: Results = RESULTS,
) -> None:
    """Write a run's report again: markdown and pictures, from what is stored; trains only what it lacks."""
    from bench.mine import report as write

    write(results, run, top, workers)


def promote(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    top: Top = 3,
    workers: Workers = None,
    results: Results = RESULTS,
    output: Annotated[
        File, typer.Option(help="Folder for the files [default: activations/mined].", show_default=False)
    ] = None,
) -> None:
    """Train the best functions of a run on fresh seeds, and give those that hold up a name in the catalogue."""
    from bench.mine import promote as write

    raise typer.Exit(write(results, run, top, output, workers))
