"""Stamped values: the CRC against RFC 3720's vectors, many against one, and what is read back."""

import numpy as np
import pytest

from loadgen.plan.model import STAMP_BYTES
from loadgen.plan.stamps import CRC_START, NO_TAG, Stamp, crc32c, digits, filler, read_stamp, stamped_value, stamps

LONG = 16 * 1024 + 7


def crc_of(content: bytes) -> int:
    return crc32c(CRC_START, content) ^ CRC_START


def bit_by_bit(content: bytes) -> int:
    """CRC-32C without a table."""
    register = CRC_START
    for octet in content:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ CRC_START


@pytest.mark.parametrize(
    ("content", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_crc_is_that_of_rfc_3720(content: bytes, crc: int) -> None:
    assert crc_of(content) == crc


@pytest.mark.parametrize("n_bytes", [LONG - 8, LONG - 7, LONG, 3 * LONG])
def test_a_long_content_has_the_crc_that_single_bits_give(n_bytes: int) -> None:
    content = filler(3, n_bytes)
    assert crc_of(content) == bit_by_bit(content)


def test_a_content_may_come_in_pieces() -> None:
    content = filler(4, 2 * LONG)
    assert crc32c(crc32c(CRC_START, content[:11]), content[11:]) == crc32c(CRC_START, content)


def test_a_stamped_value_says_whose_it_is() -> None:
    value = stamped_value(b"filler", b"0a1b2c3d", 42, 7)
    assert value[:-8] == b"filler" + b"0a1b2c3d" + b"000000000042" + b"0000000007"
    assert read_stamp(value) == Stamp(b"0a1b2c3d", 42, 7)


def test_many_stamps_are_those_that_come_one_by_one() -> None:
    keys = np.array([0, 1, 999_999_999_999, 12], np.int64)
    rows = stamps(crc32c(CRC_START, b"some filler"), NO_TAG, keys, 3)
    assert rows.shape == (4, STAMP_BYTES)
    assert [b"some filler" + row.tobytes() for row in rows] == [
        stamped_value(b"some filler", NO_TAG, int(key), 3) for key in keys
    ]


@pytest.mark.parametrize("place", [0, 5, 6, 13, 14, 26, 36, 43])
def test_a_value_of_which_one_character_differs_is_torn(place: int) -> None:
    value = bytearray(stamped_value(b"filler", NO_TAG, 42, 7))
    value[place] ^= 1
    assert read_stamp(bytes(value)) is None


@pytest.mark.parametrize("value", [b"", b"x", b"0" * 37, b"0" * 38, b"a value that was never stamped by anyone"])
def test_a_value_without_a_stamp_is_torn(value: bytes) -> None:
    assert read_stamp(value) is None


def test_filler_is_printable_and_of_its_length_and_seed() -> None:
    text = filler(1, 1000)
    assert len(text) == 1000
    assert text.decode("ascii").isprintable()
    assert text[:100] == filler(1, 100)
    assert text != filler(2, 1000)
    assert len(set(text)) > 60


def test_digits_are_padded_with_zeros() -> None:
    assert [row.tobytes() for row in digits(np.array([0, 7, 1234], np.int64), 4)] == [b"0000", b"0007", b"1234"]
