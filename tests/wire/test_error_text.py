"""The text of an error: one line of good UTF-8 that fits a record, whatever came."""

from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import excerpt

from loadgen.records import ERROR_BYTES

TEXTS = {
    "plain": (b"out of memory", b"out of memory"),
    "white space": (b" \r\n out\t\tof \0 memory\x7f\n", b"out of memory"),
    "two bytes": ("für".encode(), "für".encode()),
    "three and four bytes": ("日本 😀".encode(), "日本 😀".encode()),
    "overlong": (b"\xc0\xaf \xe0\x80\x80 \xf0\x80\x80\x80", b"?? ??? ????"),
    "surrogates": (b"\xed\xa0\x80x", b"???x"),
    "above Unicode": (b"\xf4\x90\x80\x80 \xf5", b"???? ?"),
    "a character that is cut by another": (b"\xe6\x97x \xf0\x9f\x98\xe6\x97\xa5", "?x ?日".encode()),
    "a lone continuation": (b"a\x80b", b"a?b"),
    "an unfinished character": (b"ab\xe6\x97", b"ab"),
    "exactly as long as a record holds": (b"x" * 108, b"x" * 108),
    "longer": (b"x" * 109, b"x" * 108),
    "a character across the limit": (b"x" * 107 + "éy".encode(), b"x" * 107),
    "a blank across the limit": (b"x" * 107 + b" yz", b"x" * 107),
}


@pytest.mark.parametrize(("text", "kept"), TEXTS.values(), ids=TEXTS)
def test_a_text_is_kept_the_same_wherever_it_is_cut(probe: Any, text: bytes, kept: bytes) -> None:
    for reads in every_cut(text):
        assert probe.error_text(reads) == (kept, False)


@given(text=st.text(max_size=150).map(str.encode), places=st.lists(st.integers(0, 600), max_size=8))
@example(text="\u1680\u2028 é".encode() * 30, places=[1])
@settings(deadline=None)
def test_good_utf8_is_kept_as_the_reference_says(probe: Any, text: bytes, places: list[int]) -> None:
    assert probe.error_text(cut_at(text, places))[0] == excerpt(text)


@given(text=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=8))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_what_is_kept_is_good_utf8_that_fits(probe: Any, text: bytes, places: list[int]) -> None:
    kept, _ = probe.error_text(cut_at(text, places))
    assert len(kept) <= ERROR_BYTES
    assert kept.decode() == " ".join(kept.decode().split(" "))
    assert kept == probe.error_text([text])[0]


@pytest.mark.parametrize(
    "phrase", ["context length", "Context Window", "CONTEXT_SIZE", "maximum model length", "context-length"]
)
def test_the_phrases_about_the_context_are_found_wherever_they_stand(probe: Any, phrase: str) -> None:
    for text in (phrase, f"x{phrase}s", "y" * 300 + phrase, f"context {phrase}"):
        for reads in every_cut(text.encode()):
            assert probe.error_text(reads)[1]
