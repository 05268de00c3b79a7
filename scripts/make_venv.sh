#!/bin/sh
# Makes a virtual environment with a Python that TensorFlow 2.15 runs on: 3.9, 3.10 or 3.11.
# Usage: make_venv.sh FOLDER
set -eu
folder=$1

# True if the command starts, is of a version that fits, and can make environments with pip.
fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(not (3, 9) <= sys.version_info < (3, 12))' \
        >/dev/null 2>&1
}

for python in python3.11 python3.10 python3.9 python3; do
    if fits "$python"; then
        echo "Making $folder with $("$python" --version)"
        exec "$python" -m venv --clear "$folder"
    fi
done
if command -v uv >/dev/null 2>&1; then
    echo "Making $folder with uv and Python 3.11"
    rm -rf "$folder"
    exec uv venv --quiet --seed --python 3.11 "$folder"
fi
echo "Python 3.9, 3.10 or 3.11 with its venv module is missing (tried python3.11, python3.10," \
    "python3.9, python3 and uv): install one, for example by 'apt-get install python3.11-venv'." >&2
exit 1
