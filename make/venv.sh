#!/usr/bin/env bash
# make/venv.sh FOLDER: a virtual environment with pip, of the first Python >= 3.11 found. FOLDER/cpath gets what a C compiler
# must have in CPATH to build against it, mostly nothing. Works where Debian's python3-venv and python3-dev are missing; what cannot be mended is said in one line.
set -euo pipefail
venv=$1

fail() { echo "make: $*" >&2; exit 1; }

find_python() {
  local name
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  fail "Python 3.11 or newer is needed, and none is on the PATH (PYTHON=/path/to/python3 names one)"
}

make_venv() {
  rm -rf "$venv"
  "$python" -m venv "$venv" >/dev/null 2>&1 && return
  # ensurepip is missing: fill the environment with another pip of this machine
  "$python" -m venv --without-pip "$venv" || fail "$python cannot make a virtual environment: apt install python3-venv"
  "$python" -m pip --python "$venv" install --quiet pip 2>/dev/null || {
    rm -rf "$venv"
    fail "$python has no ensurepip: apt install python3-venv"
  }
}

# Python.h from Debian's package, unpacked beside the environment: no root, nothing installed.
fetch_headers() {
  local version lib_dev
  version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  lib_dev=libpython$version-dev
  mkdir -p "$venv/headers"
  (cd "$venv/headers" && { apt-get download -q "$lib_dev" || { apt-get update -q && apt-get download -q "$lib_dev"; }; } &&
    dpkg -x "$lib_dev"_*.deb .) >"$venv/headers.log" 2>&1 ||
    fail "there is a C compiler and no Python.h to build the native engine with: apt install python3-dev"
  echo "$PWD/$venv/headers/usr/include:$PWD/$venv/headers/usr/include/python$version" >"$venv/cpath"
}

python=$(find_python)
make_venv
: >"$venv/cpath"
header=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["include"] + "/Python.h")')
if command -v "${CC:-cc}" >/dev/null 2>&1 && [ ! -f "$header" ]; then fetch_headers; fi
