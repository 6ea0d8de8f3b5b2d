"""What a run ran on. Cheap: a few small files of /proc and one call of git."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

PACKAGES = (
    "aiohttp",
    "click",
    "matplotlib",
    "numpy",
    "orjson",
    "prometheus-client",
    "psutil",
    "pydantic",
    "pyyaml",
    "rich",
    "uvloop",
)
_GIT_TIMEOUT_S = 10
_JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


def describe_environment() -> dict[str, Any]:
    """run.json's `environment`. What is not known is None."""
    uname = os.uname()
    cpu, n_cpus, memory_bytes = cpu_model(), os.cpu_count(), _memory_bytes()
    return {
        "loadgen_version": _version("loadgen"),
        "python": platform.python_version(),
        "os": _os_name(),
        "kernel": uname.release,
        "cpu": cpu,
        "memory_bytes": memory_bytes,
        "gpus": _gpus(),
        "hardware_fingerprint": fingerprint(cpu, n_cpus, memory_bytes, uname.machine),
        "packages": _package_versions(),
    }


def describe_client(engine: str, n_threads: int) -> dict[str, Any]:
    """An entry of run.json's `clients`: this process."""
    uname = os.uname()
    return {
        "hostname": uname.nodename,
        "job_id": next((os.environ[name] for name in _JOB_VARIABLES if name in os.environ), None),
        "command": shlex.join(sys.argv),
        "engine": engine,
        "n_threads": n_threads,
        "cpu_model": cpu_model(),
        "n_cpus": os.cpu_count(),
        "kernel": uname.release,
    }


def fingerprint(cpu: str | None, n_cpus: int | None, memory_bytes: int | None, machine: str) -> str:
    """SHA-256 hex. The same for two runs on hardware that looks the same."""
    return hashlib.sha256(orjson.dumps([cpu, n_cpus, memory_bytes, machine])).hexdigest()


def hardware_fingerprint() -> str:
    """That of this host."""
    return fingerprint(cpu_model(), os.cpu_count(), _memory_bytes(), os.uname().machine)


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """The commit checked out in folder, and whether tracked files differ from it. (None, None) outside a repository."""
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return _read_git_status(done.stdout.decode("utf-8", "replace").splitlines())


def _read_git_status(lines: Iterable[str]) -> tuple[str | None, bool | None]:
    """Headers begin with `# `, every other line is a change."""
    commit, dirty = None, False
    for line in lines:
        if line.startswith("# branch.oid "):
            oid = line.rsplit(" ", 1)[-1]
            commit = None if oid == "(initial)" else oid
        elif not line.startswith("# "):
            dirty = True
    return commit, dirty


def cpu_model() -> str | None:
    """As the kernel names it; on ARM, where it gives no name, the machine's architecture."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or None


def _memory_bytes() -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _os_name() -> str:
    for line in _lines("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return f"{platform.system()} {platform.release()}"


def _gpus() -> list[str] | None:
    """NVIDIA GPUs as their driver lists them; [] where there is no GPU driver, None where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    if Path("/sys/class/kfd/kfd/topology/nodes").is_dir():
        return None
    return [
        line.partition(":")[2].strip()
        for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in _lines(str(card))
        if line.startswith("Model:")
    ]


def _package_versions() -> dict[str, str | None]:
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
