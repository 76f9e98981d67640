# Sourced by run_all.sh and run_tests.sh: makes .venv with everything in it, once, and puts it on the PATH.
# Usage: . ./setup.sh [EXTRA]     EXTRA is an optional group of pyproject.toml, e.g. dev

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or newer (with its venv module) was found; install one, or name it: PYTHON=/usr/bin/python3.12 $0" >&2
    return 1
}

set_up() {
    local python extras="$1" stamp
    stamp=".venv/installed${extras:+-$extras}"
    if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
        python=$(find_python) || return 1
        echo "Setting up .venv with $("$python" --version) (a few minutes, once)"
        [ -x .venv/bin/python ] || "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint constraints.txt --editable ".${extras:+[$extras]}"
        touch "$stamp"
    fi
    export PATH="$PWD/.venv/bin:$PATH"
}

set_up "${1:-}"
