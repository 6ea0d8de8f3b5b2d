"""Running things and watching them from outside: loadgen as a user starts it, the floor, wrk; their CPU and memory."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loadgen.plan.model import SLOT_BYTES

ROOT = Path(__file__).resolve().parent.parent
BETWEEN_SAMPLES_S = 0.05
SLO_FAILED = 1  # exit code of a run that went well


class Sample(NamedTuple):
    """A moment of a running loadgen."""

    rss_bytes: int
    lines_bytes: int  # of requests.jsonl so far


@dataclass(frozen=True)
class Loadgen:
    """A run that is over. cpu_s: of the whole process, from the interpreter's start to the pictures of the report."""

    cpu_s: float
    folder: Path  # of the bundle
    run: dict[str, Any]
    summary: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)

    def lines(self) -> Iterator[dict[str, Any]]:
        with (self.folder / "requests.jsonl").open("rb") as file:
            yield from map(orjson.loads, file)

    @property
    def load_cpu_s(self) -> float:
        """Between first send and last answer, as the run itself says."""
        return float(self.summary["client"]["cpu_s"])


def run_loadgen(recipe: Mapping[str, Any], folder: Path) -> Loadgen:
    """`python -m loadgen RECIPE`, with all that it writes. Raises RuntimeError with its last words where it fails."""
    folder.mkdir(parents=True)
    recipe_path, log_path = folder / "recipe.yaml", folder / "loadgen.log"
    recipe_path.write_text(json.dumps(recipe))
    results = folder / "results"
    command = [sys.executable, "-m", "loadgen", str(recipe_path), "--results", str(results)]
    command += ["--reports", str(folder / "reports")]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    status, cpu_s, samples = _wait(process, results)
    if status not in (0, SLO_FAILED):
        raise RuntimeError(f"loadgen ended with {status}: {log_path.read_text()[-500:].strip()}")
    (bundle,) = results.glob("BM-*")
    run, summary = (orjson.loads((bundle / name).read_bytes()) for name in ("run.json", "summary.json"))
    return Loadgen(cpu_s, bundle, run, summary, samples)


def _wait(process: "subprocess.Popen[bytes]", results: Path) -> tuple[int, float, list[Sample]]:
    """Exit code, CPU seconds and, every 50 ms, how it stands."""
    samples: list[Sample] = []
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used.ru_utime + used.ru_stime, samples
        samples.append(Sample(_rss_bytes(process.pid), _lines_bytes(results)))
        time.sleep(BETWEEN_SAMPLES_S)


def _rss_bytes(pid: int) -> int:
    resident_pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(resident_pages) * os.sysconf("SC_PAGE_SIZE")


def _lines_bytes(results: Path) -> int:
    return sum(path.stat().st_size for path in results.glob("BM-*/requests.jsonl"))


@dataclass(frozen=True)
class Streams:
    """A closed loop of streamed chat completions."""

    connections: int
    requests: int
    tokens: int

    def recipe(self, url: str) -> dict[str, Any]:
        return {
            "name": "bench",
            "service": {"kind": "openai", "url": url, "model": "simulator"},
            "workload": {
                "operation": "chat",
                "prompts": {"kind": "inline", "list": ["hello there"]},
                "output_tokens": self.tokens,
            },
            "load": {"concurrency": self.connections, "requests": self.requests, "warmup_s": 0},
        }


@dataclass(frozen=True)
class Floor:
    """What the bare C loop took for the same streams."""

    wall_s: float
    cpu_s: float
    n_events: int
    n_reads: int
    n_waits: int
    first_token_unix_ns: dict[str, int]


def build_floor(folder: Path) -> Path:
    program = folder / "floor"
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    subprocess.run([compiler, "-O2", "-o", program, ROOT / "bench" / "floor.c"], check=True)
    return program


def run_floor(program: Path, url: str, streams: Streams, gather_us: int) -> Floor:
    stamps = program.with_name("stamps")
    port = url.rsplit(":", 1)[1].strip("/")
    numbers = (streams.connections, streams.requests, streams.tokens, gather_us)
    done = subprocess.run([program, port, *map(str, numbers), stamps], capture_output=True, text=True, check=True)
    first = {words[0]: int(words[1]) for words in map(str.split, stamps.read_text().splitlines())}
    return Floor(**json.loads(done.stdout), first_token_unix_ns=first)


def cpu_s_of(command: list[str]) -> float:
    """CPU seconds of a command that ends by itself."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def wrk_requests_per_s(url: str, connections: int, duration_s: float) -> float:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is not on the PATH: apt install wrk")
    # the headers that loadgen sends: both then ask the server for the same work
    headers = ["-H", "User-Agent: loadgen", "-H", f"X-Request-Id: {'0' * SLOT_BYTES}"]
    command = [wrk, "-t1", f"-c{connections}", f"-d{duration_s:g}s", *headers, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("Requests/sec:"))
    return float(line.split()[1])
