"""The calibration as a file of the user's cache, one for each kind of hardware."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loadgen.bundle.environment import cpu_model, hardware_fingerprint
from loadgen.errors import EngineError

SCHEMA_VERSION = 1


class Setting(NamedTuple):
    """What a ceiling belongs to. threads: of all services of a run together."""

    engine: str
    threads: int


@dataclass(frozen=True)
class Ceiling:
    """The most that was seen. None: it could not be driven at all.

    events_per_s: content events (tokens) of streams without a pause. requests_per_s: answers of one token. streams: so
    many at once, a token every 20 ms each, could be followed and the client still be trusted; None: not even the
    fewest. busy_ratio: of the client's loop at the most events.
    """

    engine: str
    threads: int
    events_per_s: float | None
    requests_per_s: float | None
    streams: int | None
    busy_ratio: float | None


def calibration_path(fingerprint: str) -> Path:
    """XDG_CACHE_HOME/loadgen/…, below ~/.cache where that is not set. Source: XDG Base Directory Specification."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return cache / "loadgen" / f"calibration-{fingerprint}.json"


def described(ceilings: Sequence[Ceiling], is_quick: bool) -> dict[str, Any]:
    """The file's content."""
    return {
        "schema_version": SCHEMA_VERSION,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "loadgen_version": metadata.version("loadgen"),
        "hardware_fingerprint": hardware_fingerprint(),
        "cpu": cpu_model(),
        "n_cpus": os.cpu_count(),
        "is_quick": is_quick,
        "against": "the simulator, on the same host",
        "ceilings": [asdict(ceiling) for ceiling in ceilings],
    }


def write_calibration(content: dict[str, Any]) -> Path:
    """Put it in the place of an earlier one; a reader sees that or this. Raises EngineError where it cannot be kept."""
    path = calibration_path(content["hardware_fingerprint"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        os.replace(file.name, path)
    except OSError as error:
        raise EngineError(f"{path}: the calibration cannot be kept: {error.strerror}") from None
    return path


def ceiling_for(setting: Setting) -> dict[str, Any] | None:
    """What is known of this host: {events_per_s, requests_per_s, at}. None: nothing is, or the file is none of ours."""
    try:
        content = orjson.loads(calibration_path(hardware_fingerprint()).read_bytes())
        if content["schema_version"] != SCHEMA_VERSION:
            return None
        found = next(one for one in content["ceilings"] if Setting(one["engine"], one["threads"]) == setting)
        rates = {name: _rate(found[name]) for name in ("events_per_s", "requests_per_s")}
        return {**rates, "at": str(content["at"])}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, StopIteration):
        return None


def _rate(value: Any) -> float | None:
    """Raises TypeError or ValueError for what is no number."""
    return None if value is None else float(value)
