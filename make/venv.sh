#!/usr/bin/env bash
# make/venv.sh FOLDER: a virtual environment with pip, of the first Python >= 3.11 found. FOLDER/cpath gets what a C compiler
# must have in CPATH to build against it: mostly nothing. Debian's python3-venv and python3-dev need not be installed: what is
# missing of them is unpacked inside FOLDER. What cannot be mended is said in one line.
set -euo pipefail
venv=$1

fail() {
  echo "make: $*" >&2
  exit 1
}

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

# The files of a Debian package under $venv/debian. Not installed: no root, except where apt knows no packages yet.
fetch_package() {
  mkdir -p "$venv/debian"
  (
    cd "$venv/debian"
    apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }
    dpkg -x "$1"_*.deb .
  ) >>"$venv/debian.log" 2>&1
}

make_venv() {
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return # one that works is kept, with all that is in it
  rm -rf "$venv"
  "$python" -m venv "$venv" >/dev/null 2>&1 && return
  rm -rf "$venv"
  "$python" -m venv --without-pip "$venv" >/dev/null 2>&1 || fail "$python cannot make a virtual environment: apt install python3-venv"
  fetch_package python3-pip-whl || fail "$python has no ensurepip to make a virtual environment with: apt install python3-venv"
  local pip
  pip=$(echo "$venv"/debian/usr/share/python-wheels/pip-*.whl)
  "$venv/bin/python" "$pip/pip" install --quiet pip || fail "pip could not be downloaded"
}

fetch_headers() {
  local version include=$PWD/$venv/debian/usr/include
  version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  fetch_package "libpython$version-dev" ||
    fail "there is a C compiler and no Python.h to build the native engine with: apt install python3-dev"
  echo "$include:$include/python$version" >"$venv/cpath"
}

python=$(find_python)
make_venv
: >"$venv/cpath"
header=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["include"] + "/Python.h")')
if command -v "${CC:-cc}" >/dev/null 2>&1 && [ ! -f "$header" ]; then fetch_headers; fi
