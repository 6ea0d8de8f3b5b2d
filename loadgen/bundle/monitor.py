"""What was watched beside the load: a folder of the bundle with a line of JSON for each look."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

SERVER_FILE = "server.jsonl"
"""What the servers said of themselves."""


class Sample(NamedTuple):
    """One look. at_ns: ns since the run began. values: flat, numbers and texts. service: "" where there is one only."""

    at_ns: int
    values: Mapping[str, Any]
    service: str = ""


def sample_line(at_ns: int, values: Mapping[str, Any], service: str = "") -> bytes:
    """A line of monitor/server.jsonl, its line feed included."""
    named = {"service": service} if service else {}
    return orjson.dumps({"at_ns": at_ns, **named, **values}, option=orjson.OPT_APPEND_NEWLINE)


def parse_sample(raw: bytes) -> Sample:
    """Raises ValueError with what is wrong."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(line, dict):
        raise ValueError("not a JSON object")
    at_ns, service = line.pop("at_ns", None), line.pop("service", "")
    if not isinstance(at_ns, int) or isinstance(at_ns, bool) or at_ns < 0:
        raise ValueError(f"at_ns: must be an integer >= 0, got {at_ns!r}")
    if not isinstance(service, str):
        raise ValueError(f"service: must be a string, got {service!r}")
    return Sample(at_ns, line, service)


def read_samples(path: Path) -> tuple[Sample, ...]:
    """All lines that can be read; none where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return ()
    samples = []
    for raw in lines:
        try:
            samples.append(parse_sample(raw))
        except ValueError:
            continue
    return tuple(samples)
