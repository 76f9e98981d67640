"""Print how far this machine confines a candidate, and what is missing.

    python -m mining.jail [--require-sandbox LEVEL]

The exit status is 1 where LEVEL is required and not reached.
"""

from __future__ import annotations

import argparse
import sys

from mining.jail.confine import Level
from mining.jail.server import probe


def main() -> int:
    """Confine a probe and tell."""
    parser = argparse.ArgumentParser(prog="python -m mining.jail", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--require-sandbox", choices=[str(level) for level in Level], metavar="LEVEL")
    required = parser.parse_args().require_sandbox
    try:
        level, missing = probe()
    except RuntimeError as error:
        print(f"no level: {error}", file=sys.stderr)
        return 1
    print(level)
    for sentence in missing:
        print(sentence, file=sys.stderr)
    return int(required is not None and level < Level[required.upper()])


if __name__ == "__main__":
    sys.exit(main())
