"""Activations from outside: a user's Python file, or an installed package that names an entry point."""

from __future__ import annotations

import importlib.util
import sys
import traceback
import warnings
import zlib
from pathlib import Path
from types import ModuleType

ENTRY_POINTS = "activation_bench.activations"
"""Group of entry points; each names a module (or an object in one) whose import registers activations."""


class PluginError(ValueError):
    """A plugin that cannot be read or that fails: one sentence with its file and line."""


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Execute a Python file that registers activations or tasks, and return the names of its activations.

    The file runs with the user's rights: load your own files only. Loading the same file again changes nothing.

    Raises:
        PluginError: there is no such file, or it fails; its activations are not registered then.
    """
    return run_file(path)[1]


def run_file(path: str | Path) -> tuple[ModuleType, tuple[str, ...]]:
    """Execute a file as `load_plugin` does; also returns the module that it became."""
    try:
        file = Path(path).expanduser().resolve()
        present = file.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown ~user, a name too long
        reason = " ".join(str(error).split()).rstrip(".")
        raise PluginError(f"The path {str(path)!r} names no plugin file: {reason}.") from error
    if not present:
        raise PluginError(f"There is no plugin file {file}: give the path of a Python file.")
    if file not in _loaded:
        _loaded[file] = _execute(file)
    return _loaded[file]


def load_installed() -> None:
    """Import what installed packages announce; a package that fails is skipped with a warning."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            # A stranger's package may fail in any way, and must not stop the others.
            package = entry.dist.name if entry.dist else entry.value
            warnings.warn(
                f"The activations of the installed package {package!r} are left out: {describe(error)}.", stacklevel=2
            )


def describe(error: BaseException, file: Path | None = None) -> str:
    """One phrase: the line of `file` that failed, or else the innermost one, and what the error says."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(file)] if file else frames
    place = f"{own[-1].filename}, line {own[-1].lineno}: " if own else f"{file}: " if file else ""
    return f"{place}{type(error).__name__}: {text}".rstrip(".")


def _execute(file: Path) -> tuple[ModuleType, tuple[str, ...]]:
    from activations import registry

    before = registry.snapshot()
    module = _module(file)
    try:
        sys.modules[module.__name__] = module  # dataclasses and pickle look their module up there
        code = compile(file.read_bytes(), str(file), "exec")
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        registry.restore(before)
        del sys.modules[module.__name__]
        raise PluginError(f"The plugin failed at {describe(error, file)}.") from error
    return module, tuple(name for name in registry.names() if name not in before)


def _module(file: Path) -> ModuleType:
    name = f"activation_bench_plugin_{file.stem}_{zlib.crc32(str(file).encode()):08x}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(file))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    return module


_loaded: dict[Path, tuple[ModuleType, tuple[str, ...]]] = {}
