#!/bin/sh
# Makes a folder of wheels to install from without a network: every pinned package, its hash checked, and
# this project. Then: pip install --no-index --find-links FOLDER border-health-exchange
# installs what it needs at run time and none of the development tools.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-dist}

work=$(mktemp -d)
trap 'rm -rf "$work" build' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip --quiet --disable-pip-version-check"

$pip wheel --require-hashes --requirement constraints.txt --wheel-dir "$folder"
$pip install --upgrade --no-index --find-links "$folder" setuptools
rm -rf build # else a module deleted since the last build would be packed again
$pip wheel --no-deps --no-build-isolation --no-index --wheel-dir "$folder" .
