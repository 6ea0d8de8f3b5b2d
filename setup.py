"""The native modules; all else is in pyproject.toml.

Where there is no Linux, no compiler or no Cython the install still succeeds: the portable engine then carries the load.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    cythonize = None

MODULES = {
    "loadgen.engine._native": "ext/engine.pyx",
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


def native_modules():
    if cythonize is None or not sys.platform.startswith("linux"):
        return []
    extensions = [
        Extension(name, [source], extra_compile_args=["-O3", "-g0"], libraries=["pthread"], optional=True)
        for name, source in MODULES.items()
        if Path(source).exists()
    ]
    return cythonize(extensions, include_path=["ext"], compiler_directives=DIRECTIVES)


setup(ext_modules=native_modules())
