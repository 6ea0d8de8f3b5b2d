"""What the readers of values, words and ids must say, worked out the slow way: bit by bit, and with json and re."""

import re
from collections.abc import Iterator
from typing import Any

POLYNOMIAL = 0x82F63B78
START = 0xFFFFFFFF
STAMP = re.compile(rb"(.{8})([0-9]{12})([0-9]{10})([0-9a-f]{8})", re.DOTALL)


def crc32c(text: bytes, register: int = START) -> int:
    """The register after the text, a bit at a time."""
    for byte in text:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
    return register


def stamp(before: bytes, tag: bytes, key: int, version: int) -> bytes:
    told = b"%s%012d%010d" % (tag, key, version)
    return told + b"%08x" % (crc32c(before + told) ^ START)


def value(text: bytes, tag: bytes) -> tuple[str, int, int, int]:
    """As _wire_probe.value."""
    if len(text) < 38:
        return "short", -1, 0, len(text)
    match = STAMP.fullmatch(text[-38:])
    if not match or crc32c(text[:-8]) ^ START != int(match[4], 16) or int(match[3]) > START:
        return "torn", -1, 0, len(text)
    return "good" if match[1] == tag else "foreign", int(match[2]), int(match[3]), len(text)


def ids(document: Any, key: str = "") -> Iterator[int]:
    """Every id in a document whose nearest key is that one."""
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from ids(inner, name)
    elif isinstance(document, list):
        for inner in document:
            yield from ids(inner, key)
    elif key in ("id", "ids") and isinstance(document, int | str) and not isinstance(document, bool):
        digits = re.search("-?[0-9]+$" if isinstance(document, int) else "[0-9]+$", str(document))
        if digits and digits.end() == len(str(document)):  # $ also stands before a line feed at the end
            yield max(min(int(digits[0]), 2**63 - 1), -(2**63 - 1))
