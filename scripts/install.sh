#!/bin/sh
# Makes .venv and installs the pinned packages and this project into it. `make` calls it when a pin changed.
# Needs Python 3.11 or newer. On Debian its venv module is a package of its own: root gets it installed here,
# anyone else is told what to type.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "No Python 3.11 or newer found (looked for: ${PYTHON:-}${PYTHON:+, }python3, python3.13, python3.12, python3.11)."
    say "On Debian 12 type: apt-get install python3"
    say "Or name one: make install PYTHON=/path/to/python3.11"
    exit 1
}

# Debian ships Python without ensurepip, so making the environment is the only honest test.
make_venv() { rm -rf .venv && "$python" -m venv .venv >/dev/null 2>&1 && .venv/bin/python -m pip --version >/dev/null; }
lacks_venv_module() { ! "$python" -c 'import ensurepip, venv' 2>/dev/null; }

install_venv_module() {
    package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Python has no working venv module: installing $package"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" ca-certificates >&2
    else
        say "Python's venv module is missing. Type this, then the same make command again:"
        say "    sudo apt-get update && sudo apt-get install -y $package"
        exit 1
    fi
}

has_venv() { [ -x .venv/bin/python ] && is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }

if ! has_venv; then
    python=$(find_python)
    if ! make_venv; then
        if lacks_venv_module; then install_venv_module; fi
        make_venv || { rm -rf .venv; say "'$python -m venv .venv' fails; run it by hand to see why."; exit 1; }
    fi
fi

say "Installing the pinned packages into .venv (about half a minute)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
# Nothing more may be fetched here: the build backend is one of the pinned packages.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -m pip check
