"""What a task hands back, as plain data that can be recorded; a stranger's task may hand back anything."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from bench.errors import BenchError


class BadAnswer(BenchError):
    """A measurement that cannot be recorded; the message says which part of it, and what is due there."""


def plain(measured: object) -> dict[str, Any]:
    """The fields of a `tasks.Measurement` in Python's own types, by name.

    Raises:
        BadAnswer: it is no measurement, or a part of it has the wrong type.
    """
    from tasks.base import Measurement

    if not isinstance(measured, Measurement):
        raise _bad("its answer", measured, "a Measurement")
    times = ("train_seconds", "train_cpu_seconds", "eval_seconds", "compile_seconds")
    metrics, dataset = _mapping("metrics", measured.metrics), _mapping("dataset", measured.dataset)
    return {
        "score": _number("score", measured.score),
        "metrics": {name: _number(f"metrics[{name!r}]", value) for name, value in metrics.items()},
        "curves": plain_curves(measured.curves),
        "injection": _audit(measured.injection),
        "parameters": _whole("parameters", measured.parameters),
        **{name: _number(name, getattr(measured, name)) for name in times},
        "dataset": {name: _text(f"dataset[{name!r}]", value) for name, value in dataset.items()},
        "notes": _texts("notes", measured.notes),
        "fuse": bool(measured.fused),
    }


def plain_curves(curves: object) -> dict[str, list[float]]:
    """Curves as lists of numbers, by name.

    Raises:
        BadAnswer: they are something else.
    """
    return {
        name: [_number(f"curves[{name!r}]", value) for value in _sequence(f"curves[{name!r}]", values)]
        for name, values in _mapping("curves", curves).items()
    }


def writable(text: str) -> str:
    """`text` as UTF-8 can hold it: what was read from a file's name may not be."""
    return text.encode(errors="replace").decode()


def _audit(injection: object) -> dict[str, Any]:
    from activations import Injection

    if not isinstance(injection, Injection):
        raise _bad("injection", injection, "an Injection")
    counts = {name: _whole(f"injection.{name}", getattr(injection, name)) for name in ("found", "swapped", "left")}
    executed = None if injection.executed is None else _whole("injection.executed", injection.executed)
    return {**counts, "sites": _texts("injection.sites", injection.sites), "executed": executed}


def _number(what: str, value: Any) -> float:
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):  # the last is torch's
            pass
    raise _bad(what, value, "a number")


def _whole(what: str, value: Any) -> int:
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise _bad(what, value, "a whole number") from None


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(what, value, "a text")
    return writable(value)


def _texts(what: str, values: object) -> tuple[str, ...]:
    return tuple(_text(what, value) for value in _sequence(what, values))


def _sequence(what: str, values: Any) -> Sequence[Any]:
    if not isinstance(values, (str, bytes)):
        try:
            return list(values)
        except TypeError:
            pass
    raise _bad(what, values, "a sequence")


def _mapping(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(what, value, "a mapping")
    return {_text(f"a name in {what}", name): held for name, held in value.items()}


def _bad(what: str, value: object, due: str) -> BadAnswer:
    return BadAnswer(f"the task's answer cannot be recorded: {what} is {repr(value)[:80]}, where {due} is due")
