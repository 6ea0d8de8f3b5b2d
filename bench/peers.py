"""The tools that people know, against the same server in the same minute: what they reached, and their CPU."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Reached(NamedTuple):
    """cpu_us: of the client's process, for each request."""

    per_s: float
    cpu_us: float
    p50_ms: float | None = None
    p99_ms: float | None = None


def program(name: str, how: str) -> str:
    """Where a peer lies. Raises RuntimeError that says how it is had."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not on the PATH: {how}")
    return found


def said_by(
    command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
) -> tuple[str, float]:
    """What a command prints, and its CPU seconds. Raises RuntimeError with its last words where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "peer.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **(environment or {})}
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {text[-300:].strip()}")
    return text, used.ru_utime + used.ru_stime


def number_in(text: str, pattern: str) -> float:
    """The number in the last match. Raises RuntimeError where there is none."""
    found = re.findall(pattern, text)
    if not found:
        raise RuntimeError(f"no {pattern!r} in what the peer said: {text[-300:].strip()}")
    return float(str(found[-1]).replace(",", ""))


def redis_benchmark(port: int, test: str, n: int, pipeline: int, folder: Path) -> Reached:
    """50 connections, values of 64 bytes, keys key:000000000000 to key:000000099999. One thread."""
    tool = program("redis-benchmark", "apt install redis-tools")
    words = [tool, "-h", "127.0.0.1", "-p", str(port), "-c", "50", "-n", str(n), "-d", "64", "-r", "100000"]
    text, cpu_s = said_by([*words, "-P", str(pipeline), "-t", test, "--csv"], folder)
    line = next(line for line in reversed(text.splitlines()) if line.startswith('"'))
    cells = [cell.strip('"') for cell in line.split('","')]
    return Reached(float(cells[1]), cpu_s * 1e6 / n, float(cells[4]), float(cells[6]))


def pgbench(socket_or_host: str, port: int, words: Sequence[str], duration_s: float, folder: Path) -> Reached:
    """Transactions a second, on a database that `pgbench -i` or loadgen has filled."""
    tool = program("pgbench", "apt install postgresql-contrib")
    place = ["-h", socket_or_host, "-p", str(port), "-U", "postgres"]
    text, cpu_s = said_by([tool, *place, "-n", "-T", str(max(1, round(duration_s))), *words, "postgres"], folder)
    per_s = number_in(text, r"tps = ([\d.]+)")
    n = number_in(text, r"transactions actually processed: (\d+)")
    return Reached(per_s, cpu_s * 1e6 / n)


def pgbench_at_rate(
    host: str, port: int, words: Sequence[str], rate_per_s: float, duration_s: float, folder: Path
) -> Reached:
    """Poisson arrivals; every transaction's latency from when it was begun, not when it was due, by its log, in ms."""
    tool = program("pgbench", "apt install postgresql-contrib")
    place = ["-h", host, "-p", str(port), "-U", "postgres"]
    timing = ["-T", str(max(1, round(duration_s))), f"--rate={rate_per_s:.0f}", "--log"]
    said_by([tool, *place, "-n", *timing, *words, "postgres"], folder)
    lines = [line.split() for path in folder.glob("pgbench_log.*") for line in path.read_text().splitlines()]
    latency_us = sorted(int(cells[2]) - int(cells[6]) for cells in lines)  # its time, and its lag behind the schedule
    n = len(latency_us)
    return Reached(n / duration_s, 0.0, latency_us[n // 2] / 1000, latency_us[min(n * 99 // 100, n - 1)] / 1000)


def warp(host: str, keys: tuple[str, str], what: str, objects: int, duration_s: float, folder: Path) -> Reached:
    """16 connections, objects of 64 KiB."""
    tool = program("warp", "go install github.com/minio/warp@latest")
    words = [tool, what, f"--host={host}", f"--access-key={keys[0]}", f"--secret-key={keys[1]}"]
    words += ["--obj.size=64KiB", "--concurrent=16", f"--duration={max(1, round(duration_s))}s", "--no-color"]
    words += ["--bucket=warp-benchmark", "--benchdata=out", "--autoterm=false"]
    if what == "get":
        words.append(f"--objects={objects}")
    text, cpu_s = said_by(words, folder)
    per_s = number_in(text, r"Average: [\d.]+ \w+/s, ([\d.]+) obj/s")
    return Reached(per_s, cpu_s * 1e6 / max(per_s * duration_s, 1))


def oha(url: str, connections: int, duration_s: float, folder: Path) -> Reached:
    tool = program("oha", "cargo install oha")
    words = [tool, "--no-tui", "-c", str(connections), "-z", f"{duration_s:g}s", "--output-format", "json", url]
    text, cpu_s = said_by(words, folder)
    per_s = number_in(text, r'"requestsPerSec":\s*([\d.]+)')
    return Reached(per_s, cpu_s * 1e6 / max(per_s * duration_s, 1))


def chroma_client(
    python: Path, port: int, collection: str, dimensions: int, duration_s: float, folder: Path
) -> Reached:
    """chromadb's own client with asyncio, 8 queries at once, in the server's environment."""
    script = Path(__file__).with_name("chroma_client.py")
    words: list[str | Path] = [python, script, str(port), collection, str(dimensions), f"{duration_s:g}"]
    text, cpu_s = said_by(words, folder, {"ANONYMIZED_TELEMETRY": "False"})
    told = json.loads(text.splitlines()[-1])
    return Reached(told["n"] / told["wall_s"], (cpu_s - told["cpu_before_s"]) * 1e6 / told["n"])


def wrk(url: str, connections: int, duration_s: float, folder: Path) -> Reached:
    """One thread; with its percentiles."""
    words = [program("wrk", "apt install wrk"), "-t1", f"-c{connections}", f"-d{duration_s:g}s", "--latency", url]
    text, cpu_s = said_by(words, folder)
    n = number_in(text, r"(\d+) requests in")
    return Reached(
        number_in(text, r"Requests/sec: +([\d.]+)"), cpu_s * 1e6 / n, _ms_in(text, "50%"), _ms_in(text, "99%")
    )


def _ms_in(text: str, name: str) -> float:
    value, unit = re.findall(rf"{name} +([\d.]+)(us|ms|s)\b", text)[-1]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
