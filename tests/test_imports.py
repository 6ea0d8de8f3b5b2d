"""Who may import whom: the table of docs/architecture.md, held against the sources."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "loadgen"
EXT = ROOT / "ext"

EVERYONE_MAY = {"records", "units", "errors"}
LEAVES = {*EVERYONE_MAY, "recipe"}
CONTRACTS = {"plan.model", "engine.contract", "targets.base"}
"""What engines, plans and targets say to each other; they do not use one another beyond these."""
DRAWS = {f"plan.{name}" for name in ("files", "synthetic", "payloads", "keys", "stamps", "streams", "choice", "plan")}
"""What targets make their work of: prompts, keys, values and whatever else is drawn, and the plan of a fill."""
PARTS = {"engine", "plan", "targets", "monitor", "metrics", "bundle", "simulator"}
MAY_IMPORT = {
    "records": set[str](),
    "units": set[str](),
    "errors": set[str](),
    "recipe": EVERYONE_MAY,
    "plan": LEAVES | CONTRACTS,
    # the format of the lines that the portable engine writes, and how a login is said on a new connection
    "engine": LEAVES | CONTRACTS | {"bundle.jsonl", "targets.conversation"},
    # how a page of metrics is read
    "targets": LEAVES | CONTRACTS | DRAWS | {"simulator", "monitor.prometheus"},
    "monitor": LEAVES | {"bundle.monitor"},  # the format of a line
    "statistics": set[str](),
    "metrics": LEAVES | {"statistics"},
    "bundle": LEAVES,
    "simulator": LEAVES,
    # what samples come to, for a run that was killed, and how they went, for its pictures
    "report": LEAVES | {"bundle", "metrics", "statistics", "monitor.summary", "monitor.courses"},
    "export": LEAVES | {"bundle", "metrics"},
    "store": LEAVES | {"bundle"},
    "run": LEAVES | PARTS | {"report", "calibrate.kept"},  # what this host was calibrated to drive
    "calibrate": LEAVES | {"bundle", "metrics", "run"},
    "search": LEAVES | PARTS | {"report", "statistics"},
    "sweep": LEAVES | PARTS | {"report", "run", "search"},
    "compare": LEAVES | {"bundle", "metrics", "report", "statistics", "run"},
    "cli": LEAVES | PARTS | {"compare", "report", "export", "store", "run", "sweep", "calibrate"},
    "__main__": {"cli"},
    "": {"run", "sweep", "recipe", "bundle", "export", "errors"},  # loadgen/__init__.py: the names that a notebook uses
}
NEVER_IN_RECIPE = {"time", "socket", "random", "asyncio", "numpy", "urllib.request", "http"}
NEVER_IN_ENGINE = {"yaml", "random", "numpy.random"}


def part_of(path: Path) -> str:
    """The first name below loadgen: a folder or a module; "" for the package itself."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            assert node.module is not None
            yield from (_module_or_name(node.module, alias.name) for alias in node.names)


def _module_or_name(module: str, name: str) -> str:
    """`from loadgen.plan import model` imports a module, `from loadgen.plan.model import Plan` a name of one."""
    below = ROOT.joinpath(*module.split("."), name)
    is_module = below.is_dir() or below.with_suffix(".py").is_file()
    return f"{module}.{name}" if is_module else module


def is_below(name: str, allowed: str) -> bool:
    return name == allowed or (allowed != "" and name.startswith(allowed + "."))


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_the_table_allows(path: Path) -> None:
    part = part_of(path)
    allowed = MAY_IMPORT[part] | EVERYONE_MAY
    for name in imports_of(path):
        if name.startswith("loadgen."):  # the package itself has only its version to give
            inside = name.removeprefix("loadgen").removeprefix(".")
            assert is_below(inside, part) or any(is_below(inside, to) for to in allowed), f"{path} imports {name}"


@pytest.mark.parametrize(("folder", "never"), [("recipe", NEVER_IN_RECIPE), ("engine", NEVER_IN_ENGINE)])
def test_what_must_not_happen_in_a_folder_is_not_imported_there(folder: str, never: set[str]) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        found = [name for name in imports_of(path) if any(is_below(name, banned) for banned in never)]
        assert not found, f"{path} imports {found}"


def test_an_old_run_opens_without_the_engine() -> None:
    """In a fresh interpreter: bundle, metrics and report pull in neither engine nor plan, not even through others."""
    program = (
        "import sys, loadgen.bundle, loadgen.metrics, loadgen.report\n"
        "print([m for m in sys.modules if m.startswith(('loadgen.engine', 'loadgen.plan'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_a_bag_of_helpers() -> None:
    names = {path.stem for folder in (PACKAGE, EXT, ROOT / "tests") for path in folder.rglob("*.p*")}
    assert not names & {"utils", "helpers", "common", "misc"}


EXT_MAY_CIMPORT = {
    "wire": {"libc", "wire"},
    "linux": {"libc", "posix", "linux"},
    "core": {"libc", "posix", "core", "wire", "linux"},
}
CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport|cimport\s+([\w.]+))", re.MULTILINE)


@pytest.mark.parametrize("folder", sorted(EXT_MAY_CIMPORT))
def test_native_headers_cimport_only_what_the_table_allows(folder: str) -> None:
    for path in (EXT / folder).glob("*.pxd"):
        for match in CIMPORT.finditer(path.read_text()):
            name = match.group(1) or match.group(2)
            assert name.split(".")[0] in EXT_MAY_CIMPORT[folder], f"{path} cimports {name}"


def test_parsers_know_no_socket_no_clock_and_no_malloc() -> None:
    banned = re.compile(r"\b(malloc|calloc|realloc|free|recv\w*|send\w*|clock_\w+|gettimeofday|time)\s*\(")
    for path in (EXT / "wire").glob("*.pxd"):
        found = banned.search(path.read_text())
        assert found is None, f"{path}: {found and found.group()}"
