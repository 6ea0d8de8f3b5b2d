"""How much load can a service take before it breaks its promises, and how sure are we?

From Python: `loadgen.run(recipe)`, or in a notebook `await loadgen.arun(recipe)`, with a path, a dict or a Recipe;
`loadgen.load_bundle(id)` for what a run has left behind.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadgen.bundle import open_bundle
    from loadgen.export import LoadedBundle, load_bundle
    from loadgen.recipe import Recipe, load_recipe
    from loadgen.sweep import Result, arun, run

__all__ = [
    "LoadedBundle",
    "Recipe",
    "Result",
    "__version__",
    "arun",
    "load_bundle",
    "load_recipe",
    "open_bundle",
    "run",
]

_WHERE = {
    "Recipe": "loadgen.recipe",
    "load_recipe": "loadgen.recipe",
    "open_bundle": "loadgen.bundle",
    "LoadedBundle": "loadgen.export",
    "load_bundle": "loadgen.export",
    "Result": "loadgen.sweep",
    "arun": "loadgen.sweep",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only when it is: `loadgen --help` needs none of it."""
    import importlib

    if name == "__version__":
        return _version()
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("loadgen")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0+unknown"


class _Package(ModuleType):
    """`loadgen.run` is the function, also once the module loadgen/run.py has been imported and would take the name."""

    @property
    def run(self) -> Any:
        from loadgen.sweep import run

        return run

    @run.setter
    def run(self, module: Any) -> None:
        """The import system's: `from loadgen.run import …` finds the module without it."""


sys.modules[__name__].__class__ = _Package
