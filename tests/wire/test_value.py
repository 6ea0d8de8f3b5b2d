"""Stamped values: written and read back, torn at every byte, cut in every way."""

from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import START, crc32c, stamp, value

TAG = b"0123abcd"
OTHER_TAG = b"0123abce"
FILLERS = {"none": b"", "short": b"x", "of a cache line": bytes(range(64)), "of a page": b"value " * 683}


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
@pytest.mark.parametrize(("key", "version"), [(0, 0), (7, 1), (10**12 - 1, 2**32 - 1)])
def test_a_stamp_is_read_back_wherever_the_value_is_cut(probe: Any, filler: bytes, key: int, version: int) -> None:
    whole = filler + probe.stamp(filler, TAG, key, version)
    assert whole == filler + stamp(filler, TAG, key, version)
    assert value(whole, TAG) == ("good", key, version, len(whole))
    for reads in every_cut(whole) if len(whole) < 200 else ([whole], cut_at(whole, list(range(0, 5000, 37)))):
        assert probe.value(reads, TAG) == ("good", key, version, len(whole))


def test_a_stamp_has_the_form_that_was_agreed(probe: Any) -> None:
    assert probe.stamp(b"", TAG, 34, 56) == b"0123abcd0000000000340000000056%08x" % (
        crc32c(b"0123abcd0000000000340000000056") ^ START
    )


@pytest.mark.parametrize("filler", [b"", b"some filler of a value"])
def test_a_value_torn_at_any_byte_is_known(probe: Any, filler: bytes) -> None:
    whole = filler + probe.stamp(filler, TAG, 1, 2)
    for at in range(len(whole)):
        for damaged in (
            whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
            whole[:at] + b"0" + whole[at:],
            whole[:at] + whole[at + 1 :],
            whole[:at],
            whole[at + 1 :],
        ):
            expected = value(damaged, TAG)
            assert expected[0] in ("torn", "short")
            assert probe.value([damaged], TAG) == expected
            assert probe.value([damaged[:at], damaged[at:]], TAG) == expected


def test_a_value_made_of_two_versions_is_torn(probe: Any) -> None:
    first, second = (text + probe.stamp(text, TAG, 1, n) for n, text in enumerate((b"a" * 64, b"b" * 64)))
    for at in range(1, len(first)):
        mixed = first[:at] + second[at:]
        if mixed not in (first, second):
            assert probe.value([mixed], TAG)[0] == "torn"


def test_what_follows_a_stamp_tears_the_value(probe: Any) -> None:
    whole = b"x" + probe.stamp(b"x", TAG, 1, 2)
    for behind in (b"\n", b"\0", whole):
        assert probe.value([whole, behind], TAG)[0] == value(whole + behind, TAG)[0] == "torn"


def test_a_value_of_another_run_is_foreign_and_says_its_key(probe: Any) -> None:
    whole = b"x" + probe.stamp(b"x", OTHER_TAG, 1, 2)
    assert probe.value([whole], TAG) == ("foreign", 1, 2, len(whole))


@pytest.mark.parametrize(
    "told",
    [
        b"0123abcd00000000001x0000000002",
        b"0123abcd-000000000010000000002",
        b"0123abcd000000000001 000000002",
        b"0123abcd0000000000014294967296",
    ],
)
def test_a_stamp_whose_numbers_are_none_is_torn_though_its_crc_is_right(probe: Any, told: bytes) -> None:
    whole = told + b"%08x" % (crc32c(told) ^ START)
    assert probe.value([whole], TAG) == value(whole, TAG) == ("torn", -1, 0, 38)


def test_a_crc_in_capitals_is_none(probe: Any) -> None:
    told = next(stamp(b"", TAG, 1, version) for version in range(9) if stamp(b"", TAG, 1, version)[-8:].islower())
    assert probe.value([told], TAG)[0] == "good"
    assert probe.value([told[:-8] + told[-8:].upper()], TAG)[0] == "torn"


@given(
    filler=st.binary(max_size=300), key=st.integers(0, 10**12 - 1), version=st.integers(0, 2**32 - 1), data=st.data()
)
@settings(max_examples=200, deadline=None)
def test_generated_values_are_read_as_the_reference_says(
    probe: Any, filler: bytes, key: int, version: int, data: st.DataObject
) -> None:
    whole = filler + probe.stamp(filler, TAG, key, version)
    at = data.draw(st.integers(0, len(whole)))
    damaged = whole[:at] + data.draw(st.binary(max_size=2)) + whole[at + data.draw(st.integers(0, 3)) :]
    places = data.draw(st.lists(st.integers(0, 400), max_size=8))
    assert probe.value(cut_at(whole, places), TAG) == ("good", key, version, len(whole))
    assert probe.value(cut_at(damaged, places), TAG) == value(damaged, TAG)
