"""CRC-32C: the standard's vectors, and a reference that goes bit by bit."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import START, crc32c

ISCSI_READ = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)
VECTORS = {  # RFC 3720 B.4, and the check value of the catalogue of CRCs
    "32 bytes of zeros": (bytes(32), 0x8A9136AA),
    "32 bytes of ones": (b"\xff" * 32, 0x62A8AB43),
    "32 bytes up": (bytes(range(32)), 0x46DD794E),
    "32 bytes down": (bytes(range(31, -1, -1)), 0x113FDB5C),
    "an iSCSI read": (ISCSI_READ, 0xD9963A56),
    "the check value": (b"123456789", 0xE3069283),
    "nothing": (b"", 0),
}
IMPLEMENTATIONS = [False, True]


@pytest.mark.parametrize("in_software", IMPLEMENTATIONS)
@pytest.mark.parametrize(("text", "crc"), VECTORS.values(), ids=VECTORS)
def test_the_known_vectors_come_out(probe: Any, text: bytes, crc: int, in_software: bool) -> None:
    assert crc32c(text) ^ START == crc
    assert probe.crc32c(text, in_software=in_software) ^ START == crc
    for at in range(len(text) + 1):
        first = probe.crc32c(text[:at], in_software=in_software)
        assert probe.crc32c(text[at:], 0, first, in_software=in_software) ^ START == crc


@pytest.mark.parametrize("in_software", IMPLEMENTATIONS)
def test_every_length_and_start_gives_what_bits_give(probe: Any, in_software: bool) -> None:
    text = random.Random(1).randbytes(96)
    for start in range(17):
        for end in range(start, len(text) + 1):
            assert probe.crc32c(text[:end], start, in_software=in_software) == crc32c(text[start:end])


def test_lengths_around_those_where_streams_are_joined_give_what_bits_give(probe: Any) -> None:
    longest = 2 * max(probe.CRC32C_JOINS) + max(probe.CRC32C_JOINS) // 2
    text = random.Random(2).randbytes(longest + 64)
    expected = [START]
    for at in range(len(text)):
        expected.append(crc32c(text[at : at + 1], expected[-1]))
    joins = {n_times * n_bytes for n_bytes in probe.CRC32C_JOINS for n_times in (1, 2)}
    for n_bytes in sorted({join + n_more for join in joins for n_more in range(-17, 18)} | {longest}):
        for in_software in IMPLEMENTATIONS:
            assert probe.crc32c(text[:n_bytes], in_software=in_software) == expected[n_bytes], n_bytes
        for n_skipped in range(1, 9):
            tail = probe.crc32c(text[:n_bytes], n_skipped, expected[n_skipped])
            assert tail == expected[n_bytes], (n_bytes, n_skipped)


@given(text=st.binary(max_size=300), n_times=st.integers(1, 300), register=st.integers(0, START))
@settings(max_examples=100, deadline=None)
def test_hardware_and_tables_agree(probe: Any, text: bytes, n_times: int, register: int) -> None:
    long = text * n_times
    assert probe.crc32c(long, 0, register) == probe.crc32c(long, 0, register, in_software=True)
    assert probe.crc32c(text, 0, register) == crc32c(text, register)
