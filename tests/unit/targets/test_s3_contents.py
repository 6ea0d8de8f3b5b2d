"""What objects hold, and how a wrong byte in them is found."""

from collections.abc import Iterator

import numpy as np
import pytest

from loadgen.plan.model import STAMP_BYTES
from loadgen.plan.stamps import CRC_START, NO_TAG, crc32c, read_stamp, stamps
from loadgen.targets.s3.contents import MAX_SINGLE_BYTES, PART_BYTES, SPREAD_BYTES, Contents, SliceCrcs, drawn_sizes
from loadgen.targets.s3.models import ObjectSizes
from loadgen.targets.s3.read_back import Reading

SIZES = (1, 37, 38, 39, 2047, 2048, 2086, 4096, 70_001, 1_000_003)


def filler_of(contents: Contents, number: int) -> bytes:
    return b"".join(contents.octets[begin : begin + n].tobytes() for begin, n in contents.slices(number))


def value_of(contents: Contents, number: int, key: int | None = None, version: int = 3) -> bytes:
    keys = np.array([number if key is None else key], np.int64)
    (stamp,) = stamps(contents.registers[number], NO_TAG, keys, version)
    return filler_of(contents, number) + stamp.tobytes()


def test_every_object_has_the_crc_of_its_own_bytes() -> None:
    contents = Contents(7, SIZES, checks=True)
    for number, size in enumerate(SIZES):
        is_stamped = size >= STAMP_BYTES
        assert contents.is_stamped(number) == is_stamped
        assert len(filler_of(contents, number)) == (size - STAMP_BYTES if is_stamped else size)
        expected = crc32c(CRC_START, filler_of(contents, number)) if is_stamped else CRC_START
        assert contents.registers[number] == expected


def test_a_whole_object_is_a_stamped_value() -> None:
    contents = Contents(7, SIZES, checks=True)
    for number, size in enumerate(SIZES):
        if contents.is_stamped(number):
            value = value_of(contents, number)
            assert len(value) == size
            assert read_stamp(value) == (NO_TAG, number, 3)


def test_an_object_in_parts_has_one_crc_over_all_of_them() -> None:
    sizes = (MAX_SINGLE_BYTES + 1, MAX_SINGLE_BYTES + STAMP_BYTES, MAX_SINGLE_BYTES + PART_BYTES + 12_345, 1000)
    contents = Contents(0, sizes, checks=True)
    assert contents.has_parts
    assert [len(contents.slices(number)) for number in range(4)] == [4, 4, 6, 1]
    for number, size in enumerate(sizes):
        assert all(n_bytes <= PART_BYTES for _, n_bytes in contents.slices(number))
        assert len(filler_of(contents, number)) == size - STAMP_BYTES
        assert contents.registers[number] == crc32c(CRC_START, filler_of(contents, number))


def test_parts_take_no_more_memory_than_one_of_them() -> None:
    assert len(Contents(0, (10 * MAX_SINGLE_BYTES,), checks=True).octets) == SPREAD_BYTES + PART_BYTES


def test_no_two_objects_begin_alike() -> None:
    contents = Contents(1, (64,) * 5000, checks=False)
    assert len({filler_of(contents, number) for number in range(5000)}) == 5000


def test_nothing_in_them_can_be_compressed() -> None:
    import zlib

    content = filler_of(Contents(1, (1_000_000,), checks=False), 0)
    assert len(zlib.compress(content)) > 0.99 * len(content)


def test_the_seed_decides_what_objects_hold() -> None:
    one, again, other = (Contents(seed, (1000,), checks=True) for seed in (1, 1, 2))
    assert filler_of(one, 0) == filler_of(again, 0) != filler_of(other, 0)


def test_sizes_are_drawn_once_for_each_object() -> None:
    spec = ObjectSizes(mean=1000.0, std=400.0, min=50, max=1500)
    sizes = drawn_sizes(spec, 3, 2000)
    assert sizes == drawn_sizes(spec, 3, 2000)
    assert min(sizes) == 50
    assert max(sizes) == 1500
    assert 950 < sum(sizes) / 2000 < 1050
    assert drawn_sizes(12, 3, 4) == [12] * 4


@pytest.mark.parametrize("n_octets", [0, 1, 2047, 2048, 2049, 10_000, 65_536])
def test_slice_crcs_are_those_of_reading_each_slice(n_octets: int) -> None:
    octets = np.random.default_rng(5).integers(0, 256, n_octets, np.uint8)
    cuts = [(begin, end - begin) for begin in _places(n_octets) for end in _places(n_octets) if begin <= end]
    begins, lengths = np.array(cuts, np.int64).T
    registers = np.random.default_rng(6).integers(0, 2**32, len(cuts), np.uint32)
    found = SliceCrcs(octets).after(registers, begins, lengths)
    for (begin, n_bytes), register, after in zip(cuts, registers.tolist(), found.tolist(), strict=True):
        assert crc32c(register, octets[begin : begin + n_bytes].tobytes()) == after


def _places(n: int) -> list[int]:
    return sorted({min(place, n) for place in (0, 1, 2, 2047, 2048, 2049, 4097, n // 2, n)})


def pieces(value: bytes, n_bytes: int) -> Iterator[bytes]:
    return (value[at : at + n_bytes] for at in range(0, len(value), n_bytes))


def read(contents: Contents, number: int, value: bytes, n_bytes: int = 1 << 20, floor: int = 1) -> str | None:
    reading = Reading(contents, number)
    for piece in pieces(value, n_bytes):
        reading.feed(piece)
    return reading.why_wrong(floor)


@pytest.mark.parametrize("n_bytes", [1, 2, 37, 38, 39, 1000, 5000])
def test_an_object_that_came_back_whole_is_right_however_it_was_cut(n_bytes: int) -> None:
    contents = Contents(2, (38, 39, 4000), checks=True)
    for number in range(3):
        assert read(contents, number, value_of(contents, number), n_bytes) is None


def test_every_flipped_byte_is_found() -> None:
    contents = Contents(2, (200,), checks=True)
    value = value_of(contents, 0)
    for at in range(len(value)):
        torn = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        assert read(contents, 0, torn) is not None, at


@pytest.mark.parametrize("n_missing", [1, 8, 38, 39, 199, 200])
def test_an_object_that_is_cut_is_found(n_missing: int) -> None:
    contents = Contents(2, (200,), checks=True)
    value = value_of(contents, 0)
    assert read(contents, 0, value[: 200 - n_missing]) == f"has {200 - n_missing} bytes, and 200 were put"
    assert read(contents, 0, value + b"x" * n_missing) == f"has {200 + n_missing} bytes, and 200 were put"


def test_an_object_of_another_key_and_an_older_version_are_told_apart() -> None:
    contents = Contents(2, (200, 200), checks=True)
    assert read(contents, 0, value_of(contents, 0, key=1)) == "holds what was put as object-000000000001"
    assert read(contents, 0, value_of(contents, 1)) == "holds other bytes than were put"
    older = read(contents, 0, value_of(contents, 0, version=4), floor=5)
    assert older == "version 4, though 5 was acknowledged before"
    assert read(contents, 0, value_of(contents, 0, version=5), floor=5) is None
