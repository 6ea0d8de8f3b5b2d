"""The native modules; all else is in pyproject.toml.

Where there is no Linux, no compiler or no Cython the install still succeeds: the portable engine then carries the load.
For who builds from a checkout, the environment variable LOADGEN_NATIVE=required makes a failure fail, and strict makes
warnings of Cython and of the compiler, and Cython's performance hints, fail too.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

from setuptools import Extension, setup

MODULES = {
    "loadgen.engine._native": "ext/engine.pyx",
    "loadgen.engine._lines": "ext/lines.pyx",
    "loadgen.bundle._reader": "ext/reader.pyx",
    "loadgen.engine._wire_probe": "ext/wire_probe.pyx",
    "loadgen.simulator._native": "ext/simulator.pyx",
}
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}
COMPILE_ARGUMENTS = ["-O3", "-g0"]
# Cython writes helpers that not every module calls, and its enums are unsigned in C
WARNING_ARGUMENTS = ["-Wall", "-Werror", "-Wno-unused-function", "-Wno-sign-compare"]

NATIVE = os.environ.get("LOADGEN_NATIVE", "optional")
STRICT = NATIVE == "strict"


def extensions():
    return [
        Extension(
            name,
            [source],
            extra_compile_args=COMPILE_ARGUMENTS + (WARNING_ARGUMENTS if STRICT else []),
            libraries=["pthread"],
        )
        for name, source in MODULES.items()
    ]


def translate():
    """Cython to C, under build/."""
    from Cython.Build import cythonize
    from Cython.Compiler import Options

    Options.warning_errors = STRICT
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            modules = cythonize(
                extensions(), include_path=["ext"], compiler_directives=DIRECTIVES, build_dir="build/c", force=STRICT
            )
    finally:
        print(said.getvalue(), file=sys.stderr, end="")
    if STRICT and "performance hint" in said.getvalue():
        raise SystemExit("a performance hint is an error here: see above")
    for module in modules:
        module.optional = NATIVE == "optional"  # cythonize() does not take it over
    return modules


def native_modules():
    if not sys.platform.startswith("linux"):
        return []
    try:
        return translate()
    except Exception as reason:  # whatever it is, a package without native modules is worth more than none
        if NATIVE != "optional":
            raise
        print(f"loadgen is installed without its native engine: {type(reason).__name__}: {reason}", file=sys.stderr)
        return []


# the place of this file, not the caller's: paths above are relative to it
os.chdir(Path(__file__).resolve().parent)
setup(ext_modules=native_modules(), options={"build_ext": {"parallel": os.cpu_count()}})
