"""The ways in which a network may cut the same bytes into reads."""

from collections.abc import Iterator
from itertools import pairwise


def every_cut(whole: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, with empty reads between, and at every split point."""
    yield [whole]
    yield [whole[at : at + 1] for at in range(len(whole))]
    yield [piece for at in range(len(whole)) for piece in (b"", whole[at : at + 1])] + [b""]
    for at in range(1, len(whole)):
        yield [whole[:at], whole[at:]]


def cut_at(whole: bytes, places: list[int]) -> list[bytes]:
    """Cut at those places, taken modulo the length."""
    edges = sorted({0, len(whole), *(place % (len(whole) + 1) for place in places)})
    return [whole[start:end] for start, end in pairwise(edges)]
