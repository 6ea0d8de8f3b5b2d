"""Making a bundle: its id, run.json at once and again at the end, summary.json, and hashes of it all."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from loadgen.bundle.layout import (
    BENCHMARK_ID,
    MONITOR_FOLDER,
    REQUESTS_FILE,
    RESERVE_FILE,
    RUN_FILE,
    SCHEMA_VERSION,
    STATUSES,
    SUMMARY_FILE,
    benchmark_id,
)
from loadgen.bundle.line_checks import describe_lines
from loadgen.bundle.monitor import Sample, iter_samples
from loadgen.errors import EngineError

RESERVE_BYTES = 64 * 1024
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class RunDescription:
    """What run.json says from the start. docs/bundle.md explains each; None: not known, or none.

    recipe: canonical, secrets already hidden. plan: seed, digest, n_requests, dataset, and operations in the plan's
    order, each as describe_operation() has it.
    """

    recipe: Mapping[str, Any]
    recipe_hash: str
    target: str
    service: Mapping[str, Any]
    plan: Mapping[str, Any]
    clients: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]
    git_commit: str | None = None
    git_dirty: bool | None = None
    rerun_of: str | None = None
    sweep: Mapping[str, Any] | None = None
    notes: Sequence[str] = field(default_factory=tuple)


class BundleWriter:
    """One bundle while it is made. open_run() before the load, finish() after it.

    id: the benchmark id, also the run tag in request ids. requests_path: what the engine appends to.
    """

    def __init__(self, folder: Path, redact: Callable[[str], str]) -> None:
        self.id = folder.name
        self.folder = folder
        self.requests_path = folder / REQUESTS_FILE
        self._redact = redact
        self._run: dict[str, Any] = {}

    def monitor_path(self, name: str) -> Path:
        """Where a file of what is watched beside the load goes; finish() hashes it as every other."""
        folder = self.folder / MONITOR_FOLDER
        folder.mkdir(exist_ok=True)
        return folder / name

    def samples(self, name: str) -> Iterator[Sample]:
        """What was watched so far; see Bundle.samples."""
        return iter_samples(self.folder / MONITOR_FOLDER / f"{name}.jsonl")

    @property
    def run(self) -> Mapping[str, Any]:
        """run.json as it was last written."""
        return self._run

    def open_run(self, described: RunDescription, now: datetime) -> None:
        """Write run.json with status running, and keep space so that it can be written again on a full disk."""
        self._run = _first_run_json(self.id, described, now)
        try:
            self.requests_path.touch()
            self._write_json(RUN_FILE, self._run)
            reserve_bytes = RESERVE_BYTES + 2 * (self.folder / RUN_FILE).stat().st_size
            (self.folder / RESERVE_FILE).write_bytes(os.urandom(reserve_bytes))  # a file of zeros may take no space
        except OSError as error:
            raise EngineError(f"{self.folder}: cannot write the bundle: {error.strerror}") from error

    def finish(
        self,
        status: str,
        summary: Mapping[str, Any] | None,
        now: datetime,
        *,
        started_at_unix_ns: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Write summary.json, and run.json with its final status and the hashes of all other files.

        status: complete, interrupted or failed. A line that was cut is removed first. notes: lines for a person,
        added to those there are.
        """
        if status not in STATUSES[1:]:
            raise ValueError(f"status must be one of {STATUSES[1:]}, got {status!r}")
        (self.folder / RESERVE_FILE).unlink(missing_ok=True)
        try:
            for path in (self.requests_path, *self.folder.glob(f"{MONITOR_FOLDER}/*.jsonl")):
                remove_cut_line(path)
            said = [*self._run["notes"], *notes, *self._write_summary(summary)]
            self._run |= {"status": status, "ended_at": _iso(now), "started_at_unix_ns": started_at_unix_ns}
            self._run |= {"notes": said, "files": describe_files(self.folder)}
            self._write_json(RUN_FILE, self._run)
        except OSError as error:
            raise EngineError(f"{self.folder}: cannot close the bundle: {error.strerror}") from error

    def _write_summary(self, summary: Mapping[str, Any] | None) -> list[str]:
        """Returns what a person must be told. Without space for it, run.json is still worth writing."""
        if summary is None:
            return []
        try:
            self._write_json(SUMMARY_FILE, {**_identity(self.id), **summary})
        except OSError as error:
            return [f"{SUMMARY_FILE} could not be written: {error.strerror}"]
        return []

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """All or nothing: a reader sees the file before or after, never half of it."""
        # The recipe has its secrets hidden already, and its hash is that of what stands there.
        shown = {key: value if key == "recipe" else _redacted(value, self._redact) for key, value in content.items()}
        replace_file(self.folder / name, orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def create_bundle(results: Path, now: datetime, redact: Callable[[str], str] = lambda text: text) -> BundleWriter:
    """Take the next id of the day (UTC) by making its folder: two runs at once never share one.

    results: made where it does not exist. redact: hides the recipe's secrets in a text; every text that is written goes
    through it. Raises EngineError where the folder cannot be made.
    """
    day = f"{now.astimezone(UTC):%Y%m%d}"
    try:
        results.mkdir(parents=True, exist_ok=True)
        return BundleWriter(_make_next_folder(results, day), redact)
    except OSError as error:
        raise EngineError(f"{results}: cannot make a bundle here: {error.strerror}") from error


def _make_next_folder(results: Path, day: str) -> Path:
    number = 1 + max((taken for taken in map(_number_of(day), os.listdir(results)) if taken), default=0)
    while True:
        folder = results / benchmark_id(day, number)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _number_of(day: str) -> Callable[[str], int]:
    def number(name: str) -> int:
        match = BENCHMARK_ID.fullmatch(name)
        return int(match[2]) if match and match[1] == day else 0

    return number


def replace_file(path: Path, content: bytes) -> None:
    """Write beside it, then take its place: the old file stays whole where the new one cannot be written."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def remove_cut_line(path: Path) -> None:
    """Cut a text file after its last line end."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        n_bytes = file.seek(0, os.SEEK_END)
        keep = _bytes_of_whole_lines(file, n_bytes)
        if keep != n_bytes:
            file.truncate(keep)


def _bytes_of_whole_lines(file: Any, n_bytes: int) -> int:
    end = n_bytes
    while end:
        begin = max(end - _TAIL_BYTES, 0)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            return int(begin + newline + 1)
        end = begin
    return 0


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of every file of a bundle but run.json, and a check of each line of the requests.

    Names are from the folder, with slashes.
    """
    described: dict[str, dict[str, Any]] = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in files_of(folder)
    }
    if REQUESTS_FILE in described:
        described[REQUESTS_FILE]["lines"] = describe_lines(folder / REQUESTS_FILE)
    return described


def files_of(folder: Path) -> list[Path]:
    """Every file that run.json answers for, by name."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != RUN_FILE and not path.name.startswith(".")
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_run_json(identity: str, described: RunDescription, now: datetime) -> dict[str, Any]:
    return {
        **_identity(identity),
        "created_at": _iso(now),
        "ended_at": None,
        "started_at_unix_ns": None,
        "status": "running",
        "git_commit": described.git_commit,
        "git_dirty": described.git_dirty,
        "recipe_hash": described.recipe_hash,
        "recipe": dict(described.recipe),
        "rerun_of": described.rerun_of,
        "sweep": described.sweep and dict(described.sweep),
        "target": described.target,
        "service": dict(described.service),
        "clients": [dict(client) for client in described.clients],
        "environment": dict(described.environment),
        "plan": dict(described.plan),
        "notes": list(described.notes),
        "files": {},
    }


def _identity(identity: str) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "benchmark_id": identity}


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(inner, redact) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, redact) for inner in value]
    return value
