"""CRC-32C in plain Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.engine.portable import crc32c


def bit_by_bit(content: bytes) -> int:
    register = crc32c.START
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register


@pytest.mark.parametrize(
    ("content", "crc"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_examples_of_the_standard_hold(content: bytes, crc: int) -> None:
    """RFC 3720 B.4; the check value of the Rocksoft model."""
    assert crc32c.feed(crc32c.START, content) ^ crc32c.START == crc


@pytest.mark.parametrize("n_bytes", [1, 4095, 4096, 4097, 4225, 65_536, 100_003])
def test_long_contents_have_the_sum_of_their_bytes(n_bytes: int) -> None:
    content = (bytes(range(256)) * (n_bytes // 256 + 1))[:n_bytes]
    assert crc32c.feed(crc32c.START, content) == bit_by_bit(content)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_sum_is_the_same_over_any_cut(content: bytes, cut: int) -> None:
    whole = crc32c.feed(crc32c.START, content)
    assert crc32c.feed(crc32c.feed(crc32c.START, content[:cut]), memoryview(content)[cut:]) == whole
