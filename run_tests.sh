#!/usr/bin/env bash
# Sets everything up, then lint, types and tests. Options are those of pytest.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup.sh dev
ruff check .
ruff format --check .
mypy
exec python -m pytest -n 2 --dist worksteal "$@"
