"""What was watched beside the load: a folder of the bundle, a file each source, a line of JSON each look."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

WATCHED = ("host", "gpu", "server", "client")
"""What may be watched; each has a file of its name."""

SERVER_FILE = "server.jsonl"
"""What the servers said of themselves."""


class Sample(NamedTuple):
    """One look. at_ns: ns since the run began; 0 before the load. values: flat: numbers, texts, None where not known.

    service: of a server, which of several; "" where there is one only. A line of gpu.jsonl is one card: values["gpu"].
    """

    at_ns: int
    values: Mapping[str, Any]
    service: str = ""


def sample_line(at_ns: int, values: Mapping[str, Any], service: str = "") -> bytes:
    """A line of a file of the monitors, its line feed included."""
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


def iter_samples(path: Path) -> Iterator[Sample]:
    """One after the other, so that a long run needs no memory; see read_samples."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        for raw in file:
            with suppress(ValueError):
                yield parse_sample(raw)


def read_samples(path: Path) -> tuple[Sample, ...]:
    """All lines that can be read; none where there is no file."""
    return tuple(iter_samples(path))
