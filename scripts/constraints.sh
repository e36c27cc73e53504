#!/bin/sh
# Writes constraints.txt anew from pyproject.toml: exact versions and hashes, no download address.
# Run it to take newer versions, then read the difference before you commit it.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pip-tools
"$work/venv/bin/pip-compile" --quiet --generate-hashes --all-extras --strip-extras --allow-unsafe \
    --build-deps-for wheel --build-deps-for editable \
    --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --output-file "$work/compiled.txt" pyproject.toml

{
    sed -n '/^#/!q;p' constraints.txt
    sed -E -e '/^# The following packages are considered/d' -e 's/ \(pyproject\.toml[^)]*\)//' "$work/compiled.txt" | cat -s
} >"$work/constraints.txt"

if grep -nE '://|^ *-[-a-z]*(index|find-links|host)' "$work/constraints.txt"; then
    echo "constraints.txt would name a download address; left as it was." >&2
    exit 1
fi
cp "$work/constraints.txt" constraints.txt
