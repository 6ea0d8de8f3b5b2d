"""Which lines of requests.jsonl were changed since they were written: a CRC-32 of each, or of a few together."""

import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

MOST_CHECKS = 4096
"""Up to this many lines each has its own."""

_HEX = 8


def describe_lines(path: Path) -> dict[str, Any]:
    """{n_lines, lines_each, crc32}: how many lines, how many of them each CRC is of, and the CRCs, 8 digits each."""
    n_lines = _count(path)
    lines_each = max(-(-n_lines // MOST_CHECKS), 1)
    return {"n_lines": n_lines, "lines_each": lines_each, "crc32": "".join(_checks(path, lines_each))}


def changed_lines(path: Path, said: Any) -> Iterator[str]:
    """Where a file differs from what describe_lines() said of it, as "line 5" or "lines 11 to 20".

    Where lines were added or taken away, only the first difference; what follows has moved.
    """
    if not _is_description(said):
        return
    lines_each, crcs = said["lines_each"], said["crc32"]
    then = [crcs[begin : begin + _HEX] for begin in range(0, len(crcs), _HEX)]
    now = list(_checks(path, lines_each))
    has_moved = _count(path) != said["n_lines"]
    length = max(len(then), len(now))
    differing = (place for place in range(length) if then[place : place + 1] != now[place : place + 1])
    for place in islice(differing, 1) if has_moved else differing:
        first, last = place * lines_each + 1, (place + 1) * lines_each
        yield f"line {first}" if lines_each == 1 else f"lines {first} to {last}"


def _is_description(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and isinstance(said.get("n_lines"), int)
        and isinstance(said.get("lines_each"), int)
        and said["lines_each"] > 0
        and isinstance(said.get("crc32"), str)
    )


def _count(path: Path) -> int:
    """Line ends, and a last line without one."""
    n, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            n, last = n + piece.count(b"\n"), piece[-1:]
    return n + (last != b"\n")


def _checks(path: Path, lines_each: int) -> Iterator[str]:
    with path.open("rb") as file:
        while lines := list(islice(file, lines_each)):
            yield f"{zlib.crc32(b''.join(lines)):0{_HEX}x}"
