"""The package as others get it: built, and installed into empty environments."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHONS = ["3.11", "3.12", "3.13"]
NATIVE = "import loadgen.engine._native, loadgen.simulator._native"
PORTABLE = "import loadgen, loadgen.engine.portable, loadgen.report"


def run(command: list[str | Path], **environment: str) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        cwd="/",
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def python_of(version: str) -> Path | None:
    """An interpreter of this version: this one, one on the PATH, or one of pyenv's."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python"))
    program = "import sys; sys.exit('%d.%d' % sys.version_info[:2] != sys.argv[1])"
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", program, version], capture_output=True).returncode == 0:
            return Path(candidate)
    return None


def has_headers(python: Path) -> bool:
    program = "import pathlib, sysconfig; print(pathlib.Path(sysconfig.get_paths()['include'], 'Python.h').exists())"
    return run([python, "-c", program]).strip() == "True"


def empty_environment(python: Path, folder: Path) -> Path:
    run([python, "-m", "venv", "--without-pip", folder])
    return folder / "bin" / "python"


def pip_install(python: Path, package: Path, **environment: str) -> None:
    run([sys.executable, "-m", "pip", "--python", python, "install", "--retries", "5", package], **environment)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as git has them and as they lie here, without what was built."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run([sys.executable, "-m", "build", "--sdist", "--outdir", folder, checkout])
    (archive,) = folder.glob("loadgen-*.tar.gz")
    return archive


def test_sdist_has_the_sources_and_nothing_that_was_built(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"ext/engine.pyx", "ext/core/record.pxd", "loadgen/py.typed", "LICENSE", "recipes/quickstart.yaml"} <= names
    assert not [
        name for name in names if name.endswith((".so", ".c", ".pyc")) or name.startswith(("build/", "results/"))
    ]


@pytest.mark.parametrize("version", PYTHONS)
def test_sdist_becomes_a_wheel_that_installs_in_an_empty_environment(
    version: str, sdist: Path, need: Callable[[object, str], Path], tmp_path: Path
) -> None:
    python = need(python_of(version), f"there is no Python {version}")
    need(has_headers(python), f"Python {version} has no headers to build with")
    environment = empty_environment(python, tmp_path / "venv")
    wheel = build_wheel(environment, sdist, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("tests/", "servers/", "bench/", "ext/"))]
    pip_install(environment, wheel)
    run([environment, "-c", f"{NATIVE}; {PORTABLE}"])
    assert "Usage" in run([environment.with_name("loadgen"), "--help"])


def build_wheel(python: Path, sdist: Path, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--python", python]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, sdist], LOADGEN_NATIVE="required")
    (wheel,) = folder.glob("loadgen-*.whl")
    return wheel


def test_without_a_compiler_the_install_succeeds_with_the_portable_engine(sdist: Path, tmp_path: Path) -> None:
    environment = empty_environment(Path(sys.executable), tmp_path / "venv")
    pip_install(environment, sdist, CC="/bin/false")
    run([environment, "-c", PORTABLE])
    native = subprocess.run([environment, "-c", NATIVE], capture_output=True, text=True, cwd="/")
    assert "ModuleNotFoundError" in native.stderr


def test_a_required_native_engine_that_cannot_be_built_fails_the_install(sdist: Path, tmp_path: Path) -> None:
    environment = empty_environment(Path(sys.executable), tmp_path / "venv")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment, "install", "--no-deps", sdist],
        env={**os.environ, "CC": "/bin/false", "LOADGEN_NATIVE": "required"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "/bin/false" in done.stderr + done.stdout
