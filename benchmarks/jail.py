"""What a candidate costs in the jail: the jail itself, and the trace within it.

    python benchmarks/jail.py [--repeats N]

Prints a Markdown table of medians. The jail's own share is a source that is refused by its first line: fork,
confinement, allow-list, the end of the process, both ways between client and server. A trace in this process stands
beside the trace inside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

from tabulate import tabulate

from mining.jail import Jail, Refused, check

REFUSED = "import os\n"
SOURCES = {
    "x * sigmoid(x)": "def activation(x):\n    return x * torch.sigmoid(x)\n",
    "gelu(x) * (1 + 0.5 * sinc(x))": "def activation(x):\n    return F.gelu(x) * (1 + 0.5 * torch.sinc(x))\n",
    "a sum of 8 sines": (
        "def activation(x):\n    y = 0.0\n"
        "    for k in range(1, 9):\n        y = y + torch.sin(k * x) / k\n    return y\n"
    ),
}

Row = tuple[str, str, str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=50)
    repeats: int = parser.parse_args().repeats
    begun = time.perf_counter()
    with Jail(deadline=60.0) as jail:
        rows = [("start of the server, once", f"{time.perf_counter() - begun:.1f} s", ""), *measure(jail, repeats)]
        print(f"level in effect: {jail.level}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(tabulate(rows, headers=["measured", "median (fastest)", "goal"], tablefmt="github"))


def measure(jail: Jail, repeats: int) -> Iterator[Row]:
    """Wall times of one candidate after another, and of many at once."""
    import torch

    from activations.trace import trace
    from mining.jail.prison import load

    torch.set_num_threads(1)
    yield ("allow-list alone", times(lambda: check(SOURCES["a sum of 8 sines"]), repeats), "")
    yield ("jail without a trace", times(lambda: refused(jail), repeats), "25 ms")
    for formula, source in SOURCES.items():
        function = load(source)
        yield (f"jail and trace of {formula}", times(lambda source=source: jail.trace(source), repeats), "")  # type: ignore[misc]
        yield (f"trace of {formula} outside", times(lambda function=function: trace(function), repeats), "")  # type: ignore[misc]
    batch = list(SOURCES.values()) * (repeats // len(SOURCES) or 1)
    begun = time.perf_counter()
    jail.trace_all(batch)
    each = 1000 * (time.perf_counter() - begun) / len(batch)
    yield (f"a candidate of {len(batch)}, {jail.workers} at once", f"{each:.1f} ms", "")


def refused(jail: Jail) -> None:
    """One candidate that is turned away before it is traced."""
    try:
        jail.trace(REFUSED)
    except Refused:
        return
    raise AssertionError("the source was not refused")


def times(step: Callable[[], object], repeats: int) -> str:
    """Median and fastest of the step's wall times, after one that warms up."""
    walls = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        step()
        walls.append(1000 * (time.perf_counter() - begun))
    return f"{statistics.median(walls[1:]):.1f} ms ({min(walls[1:]):.1f})"


if __name__ == "__main__":
    main()
