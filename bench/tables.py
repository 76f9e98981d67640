"""Numbers and tables as text: how many digits a metric has; counts and Markdown are those of the miner's reports."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare import Spread
from bench.records import MetricFacts
from mining.report_text import count_of, markdown

__all__ = ["count_of", "digits", "inert", "markdown", "number", "signed", "spans", "with_spread"]


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


def spans(numbers: Sequence[int]) -> str:
    """Ascending whole numbers as `bench run --seeds` takes them: `0-4,7`."""
    held: list[list[int]] = []
    for number in numbers:
        if held and number == held[-1][-1] + 1:
            held[-1].append(number)
        else:
            held.append([number])
    return ",".join(f"{one[0]}-{one[-1]}" if len(one) > 2 else ",".join(map(str, one)) for one in held)


def inert(text: object) -> str:
    """Text of a record on one line, in which Markdown and HTML stay letters: no tag, no link, no picture."""
    return " ".join(str(text).split()).replace("<", "&lt;").replace("](", "]\\(")
