#!/bin/sh
# Makes a virtual environment with the newest Python from 3.10 to 3.13 that is there.
# Usage: make_venv.sh FOLDER [PYTHON ...]
#   PYTHON  the commands to try, first to last; by default python3.13 to python3.10, and python3
set -eu
folder=$1
shift
[ $# -gt 0 ] || set -- python3.13 python3.12 python3.11 python3.10 python3

# True if the command starts, is of a version that fits, and can make environments with pip.
fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1
}

for python in "$@"; do
    if fits "$python"; then
        echo "Making $folder with $("$python" --version)"
        exec "$python" -m venv --clear "$folder"
    fi
done
if command -v uv >/dev/null 2>&1; then
    echo "Making $folder with uv and Python ${1#python}"
    rm -rf "$folder"
    exec uv venv --quiet --seed --python "${1#python}" "$folder"
fi
echo "No Python that fits: expected one of $* with its venv module, of version 3.10 to 3.13. Install" \
    "one, for example by 'apt-get install python3-venv', or uv (https://docs.astral.sh/uv), which" \
    "downloads one." >&2
exit 1
