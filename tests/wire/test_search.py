"""Words in a text, wherever it is cut."""

from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = {
    "once": (b"a needle in hay", b"needle"),
    "at both ends": (b"ab..ab", b"ab"),
    "side by side": (b"ababab", b"ab"),
    "overlapping": (b"aaaaaaa", b"aaa"),
    "overlapping with a border": (b"abaabaaba", b"abaaba"),
    "almost": (b"neeneedl needl", b"needle"),
    "after a false start": (b"aabaabaaab", b"aabaaab"),
    "one byte": (b"a,b,c,", b","),
    "line ends and NUL": (b"\0\r\n\0\r\n", b"\0\r\n"),
    "the whole text": (b"needle", b"needle"),
    "longer than the text": (b"need", b"needle"),
    "in nothing": (b"", b"x"),
    "of nothing": (b"abc", b""),
    "of 255 bytes": (b"x" * 600, b"x" * 255),
    "of 255 bytes, almost": (b"x" * 254 + b"y" + b"x" * 254, b"x" * 255),
}


def count(text: bytes, needle: bytes) -> int:
    """An empty needle is found nowhere."""
    return text.count(needle) if needle else 0


@pytest.mark.parametrize(("text", "needle"), TEXTS.values(), ids=TEXTS)
def test_a_word_is_counted_the_same_wherever_the_text_is_cut(probe: Any, text: bytes, needle: bytes) -> None:
    for reads in every_cut(text):
        assert probe.n_found(reads, needle) == count(text, needle), reads


@given(
    text=st.text("ab", max_size=60).map(str.encode),
    needle=st.text("ab", min_size=1, max_size=8).map(str.encode),
    places=st.lists(st.integers(0, 60), max_size=8),
)
@settings(max_examples=500, deadline=None)
def test_words_of_two_letters_are_counted_as_python_counts_them(
    probe: Any, text: bytes, needle: bytes, places: list[int]
) -> None:
    assert probe.n_found(cut_at(text, places), needle) == count(text, needle)


@given(text=st.binary(max_size=200), start=st.integers(0, 200), end=st.integers(0, 200), n_times=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_any_part_of_a_text_is_found(probe: Any, text: bytes, start: int, end: int, n_times: int) -> None:
    needle = text[start:end]
    assert probe.n_found([text] * n_times, needle) == count(text * n_times, needle)
