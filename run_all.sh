#!/usr/bin/env bash
# The transfer evaluation: sets everything up, trains every missing cell of a profile, renders the board.
#   ./run_all.sh                                  embedded data, minutes on two cores
#   ./run_all.sh --profile small --data DIR       real data, one GPU
#   ./run_all.sh --profile paper --data DIR       the published protocols
# Options are those of `bench run`. A second call goes on where the first one stopped.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup.sh ""
exec bench run "$@"
