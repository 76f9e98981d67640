"""Numbers and tables as text: how many digits a metric has, and Markdown tables by pandas and tabulate."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare import Spread
from bench.records import MetricFacts


def digits(metric: MetricFacts) -> int:
    """Decimals of a score: two for percent, four for anything else."""
    return 2 if metric.unit == "%" else 4


def number(value: float, metric: MetricFacts) -> str:
    """A score of this metric."""
    return f"{value:.{digits(metric)}f}"


def with_spread(spread: Spread, metric: MetricFacts) -> str:
    """`94.10 ± 0.12 (3)`."""
    deviation = f" ± {number(spread.sd, metric)}" if spread.sd is not None else ""
    return f"{number(spread.mean, metric)}{deviation} ({spread.n})"


def signed(spread: Spread, metric: MetricFacts) -> str:
    """`+0.41 ± 0.10 (3)`, of a difference."""
    deviation = f" ± {number(spread.sd, metric)}" if spread.sd is not None else ""
    return f"{spread.mean:+.{digits(metric)}f}{deviation} ({spread.n})"


def count_of(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spans(numbers: Sequence[int]) -> str:
    """Ascending whole numbers as `bench run --seeds` takes them: `0-4,7`."""
    held: list[list[int]] = []
    for number in numbers:
        if held and number == held[-1][-1] + 1:
            held[-1].append(number)
        else:
            held.append([number])
    return ",".join(f"{one[0]}-{one[-1]}" if len(one) > 2 else ",".join(map(str, one)) for one in held)


def escape(text: object) -> str:
    """Text that cannot break out of a table's cell or a list's line."""
    return " ".join(str(text).split()).replace("|", "\\|")


def inert(text: object) -> str:
    """Text of a record on one line, in which Markdown and HTML stay letters: no tag, no link, no picture."""
    return " ".join(str(text).split()).replace("<", "&lt;").replace("](", "]\\(")


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, ending with a blank line."""
    import pandas

    frame = pandas.DataFrame([[escape(cell) for cell in row] for row in rows], columns=[escape(name) for name in head])
    text: str = frame.to_markdown(index=False, disable_numparse=True)
    return text + "\n"
