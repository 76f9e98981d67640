"""The command line: options and help, and nothing else; each command's work lies in a room of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from bench.cli_mine import mine_app, promote
from bench.cli_run import run, tune
from bench.errors import BenchError, UsageError
from bench.options import (
    RESULTS,
    Data,
    Names,
    Plugins,
    Results,
    data_folder,
    load_plugins,
    split,
)

app = typer.Typer(
    help="Does an activation function generalise? Put it into real networks, beside ReLU, under the same seeds.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Bring and check the data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.add_typer(mine_app, name="mine")
app.command()(promote)


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="activations, groups, tasks, profiles or data; everything when left out.")
    ] = "",
    data: Data = None,
    plugin: Plugins = None,
) -> None:
    """Show the activations, groups of them, tasks, profiles, and what data is there."""
    from bench.listing import show

    load_plugins(plugin)
    show(what, data_folder(data))


app.command()(run)
app.command()(tune)


@app.command()
def leaderboard(
    results: Results = RESULTS,
    local: Annotated[bool, typer.Option("--local", help="Your own records instead of the published ones.")] = False,
    output: Annotated[Optional[Path], typer.Option(help="File to write.", show_default=False)] = None,  # noqa: UP045
    figures: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Draw the pictures into this folder, and show them on the board.", show_default=False),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Write a static site into this folder instead: tables that sort and filter.", show_default=False
        ),
    ] = None,
) -> None:
    """Render leaderboard.md from the published records, or results/local/leaderboard.md from your own."""
    from bench.publish import write_board

    if html is None:
        write_board(results, local, output, figures)
        return
    from bench.site import write_site

    if output or figures:
        raise UsageError("--html writes a site and nothing else: leave out --output and --figures, or call twice")
    write_site(html, results, local)


@app.command()
def findings(
    results: Results = RESULTS,
    local: Annotated[bool, typer.Option("--local", help="Your own records instead of the published ones.")] = False,
    output: Annotated[Optional[Path], typer.Option(help="File to write.", show_default=False)] = None,  # noqa: UP045
) -> None:
    """Answer the suite's questions from the records: docs/findings.md, or results/local/findings.md from your own."""
    from bench.publish import write_findings

    write_findings(results, local, output)


@app.command("try")
def try_(
    source: Annotated[
        str, typer.Argument(help="A Python file, or an expression such as 'gelu(x) * (1 + 0.5 * sinc(x))'.")
    ],
    tasks: Annotated[Names, typer.Option(help="Tasks of the smoke profile.")] = None,
    seeds: Annotated[str, typer.Option(help="Like 0,1,2 or 0-4; more seeds resolve smaller differences.")] = "0-2",
    budget: Annotated[float, typer.Option(help="Seconds after which no further cell is started.")] = 270.0,
    data: Data = None,
    workers: Annotated[Optional[int], typer.Option(help="Cells at a time [default: one a core].")] = None,  # noqa: UP045
    plugin: Plugins = None,
    results: Results = RESULTS,
) -> None:
    """Give a verdict on a function beside ReLU and GELU, within minutes and without registering it."""
    from bench.attempt import Trial, attempt

    load_plugins(plugin)
    folder, plugins = data_folder(data), tuple(plugin or ())
    raise typer.Exit(attempt(Trial(source, split(tasks, "--tasks"), seeds, budget, folder, workers, plugins, results)))


@app.command()
def publish(
    profile: Annotated[str, typer.Option(help="Only records of this profile.", show_default=False)] = "",
    tasks: Annotated[Names, typer.Option(help="Only these; names or patterns.")] = None,
    activations: Annotated[Names, typer.Option(help="Only these; names, patterns or groups.")] = None,
    plugin: Plugins = None,
    results: Results = RESULTS,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Also those made with local changes, or from no commit.")
    ] = False,
) -> None:
    """Move your own records to the published ones, after checking them."""
    from bench.publish import check_words, matching
    from bench.publish import publish as move

    load_plugins(plugin)
    wanted = split(tasks, "--tasks"), split(activations, "--activations")
    check_words(results, *wanted)
    refused = move(results, matching(profile, *wanted), allow_dirty)
    raise typer.Exit(1 if refused else 0)


@app.command()
def validate(
    results: Annotated[Path, typer.Argument(help="Folder of the records.")] = RESULTS,
    plugin: Plugins = None,
) -> None:
    """Check every record of a folder: identity, graph, task, data, numbers, copies; name each fault."""
    from bench.validate import show
    from bench.validate import validate as check

    load_plugins(plugin)
    raise typer.Exit(show(check(results)))


@app.command()
def card(
    name: Annotated[str, typer.Argument(help="Name of an activation.", show_default=False)] = "",
    plugin: Plugins = None,
    results: Results = RESULTS,
    all_: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--all", help="Write all cards, their pictures and an index into this folder.", show_default=False
        ),
    ] = None,
) -> None:
    """Show one activation: formula, LaTeX, facts, source, and its scores in the records; or write the cards of all."""
    from bench.gallery import show

    load_plugins(plugin)
    show(name, all_, results)


@app.command()
def doctor(data: Data = None, plugin: Plugins = None, results: Results = RESULTS) -> None:
    """Say what is missing on this machine, and the command that mends it."""
    from bench.doctor import diagnose

    load_plugins(plugin)
    raise typer.Exit(diagnose(data_folder(data), results))


@data_app.command("prepare")
def prepare_(
    names: Annotated[
        list[str],
        typer.Argument(
            help="cifar10, cifar100, molhiv, tiny-imagenet-10k, imagenet, clrs30; of clrs30 also one algorithm, like "
            "clrs30-bfs."
        ),
    ],
    data: Data = None,
    origin: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--from", help="The publisher's archive, or a folder that holds it or its contents.", show_default=False
        ),
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch it from its publisher.")] = False,
) -> None:
    """Lay out, fetch or generate data sets, and verify their checksums; never asks anything."""
    from bench.data import prepare

    prepare(names, data_folder(data, new=True), origin, download)


def main() -> None:
    """Entry point of the `bench` script: a foreseen error is one sentence on standard error and an exit status."""
    try:
        app()
    except BenchError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:
        if type(error).__module__ == "sqlite3":
            _fail(f"the run's population is damaged ({error}): name another run with --run", 1)
        if not foreseen(error):
            raise
        _fail(str(error), 2)


def foreseen(error: Exception) -> bool:
    """Whether an error's message is meant for the user: those that our own packages define."""
    return type(error).__module__.split(".")[0] in ("bench", "mining", "tasks", "activations")


def _fail(sentence: str, code: int) -> None:
    print(f"bench: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
