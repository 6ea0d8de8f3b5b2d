"""The record as numpy sees it is the record as the native engine writes it."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

from loadgen import records
from loadgen.records import ERROR_BYTES, RECORD_DTYPE

DECLARATION = Path(__file__).parents[2] / "ext" / "core" / "record.pxd"


def test_record_dtype_has_the_native_names_offsets_and_sizes() -> None:
    native = pytest.importorskip("loadgen.engine._native", reason="the native engine is not built")
    fields = RECORD_DTYPE.fields
    assert fields is not None
    assert {name: (offset, dtype.itemsize) for name, (dtype, offset) in fields.items()} == native.record_layout()


@pytest.mark.parametrize(
    ("enum", "prefix"),
    [
        (records.Outcome, "OUTCOME"),
        (records.Phase, "PHASE"),
        (records.Stamp, "STAMP"),
        (records.FinishReason, "FINISH"),
        (records.TokenSource, "TOKENS"),
    ],
)
def test_every_code_has_the_same_number_on_both_sides(enum: type[IntEnum], prefix: str) -> None:
    found = re.findall(rf"^    {prefix}_(\w+) = (\d+)$", DECLARATION.read_text(), re.M)
    declared = {name: int(number) for name, number in found}
    assert declared == {one.name: one.value for one in enum}


def test_error_text_has_the_same_width_on_both_sides() -> None:
    assert f"ERROR_BYTES = {ERROR_BYTES}" in DECLARATION.read_text()
    assert f"char[{ERROR_BYTES}] error" in DECLARATION.read_text()
