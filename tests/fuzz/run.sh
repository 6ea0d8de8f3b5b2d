#!/bin/sh
# Invariant: that of wire_fuzz.pyx. Usage: run.sh [SECONDS]. Exit code 1 where a parser breaks it.
# Needs gcc with its sanitizers, and Cython in the environment of ${PYTHON:-.venv/bin/python}.
set -eu
seconds=${1:-60}
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
build=$(mktemp -d)
trap 'status=$?; [ -e "$build/broken_input" ] || rm -rf "$build"; exit $status' EXIT

"$python" -m cython -3 -I ext -I tests/fuzz --warning-errors --module-name wire_fuzz \
    -X boundscheck=False -X wraparound=False -X initializedcheck=False -X cdivision=True \
    -o "$build/wire_fuzz.c" tests/fuzz/wire_fuzz.pyx
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
gcc -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -fPIC -shared -I"$include" \
    "$build/wire_fuzz.c" -o "$build/wire_fuzz$suffix"

# The interpreter is built without the sanitizer, whose library has to come first; what it leaks is not ours.
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    PYTHONMALLOC=malloc "$python" tests/fuzz/drive.py "$build" "$seconds"
