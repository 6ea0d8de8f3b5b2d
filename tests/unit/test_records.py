"""What numpy and the native engine share has one layout and one set of codes on both sides."""

import re
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen import records
from loadgen.engine.contract import KEY_DTYPE
from loadgen.plan import model
from loadgen.plan.model import PAYLOAD_DTYPE
from loadgen.records import ERROR_BYTES, ERROR_CODE_BYTES, RECORD_DTYPE

CORE = Path(__file__).parents[2] / "ext" / "core"
DECLARATION = CORE / "record.pxd"


def test_record_dtype_has_the_native_names_offsets_and_sizes() -> None:
    native = pytest.importorskip("loadgen.engine._lines", reason="the native engine is not built")
    assert layout_of(RECORD_DTYPE) == native.record_layout()


def test_payloads_and_key_states_have_the_native_layout() -> None:
    native = pytest.importorskip("loadgen.engine._native", reason="the native engine is not built")
    assert native.layouts() == {"payload": layout_of(PAYLOAD_DTYPE), "key": layout_of(KEY_DTYPE)}


def layout_of(dtype: "np.dtype[Any]") -> dict[str, tuple[int, int]]:
    assert dtype.fields is not None
    return {name: (field[1], field[0].itemsize) for name, field in dtype.fields.items()}


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
    assert f"char[{ERROR_CODE_BYTES}] error_code" in DECLARATION.read_text()


@pytest.mark.parametrize(("enum", "prefix"), [(model.SlotKind, "SLOT"), (model.Check, "CHECK")])
def test_slots_and_checks_have_the_same_numbers_on_both_sides(enum: type[IntEnum], prefix: str) -> None:
    found = re.findall(rf"^    {prefix}_(\w+) = (\d+)$", (CORE / "payload.pxd").read_text(), re.M)
    assert {name: int(number) for name, number in found} == {one.name: one.value for one in enum}


@pytest.mark.parametrize("name", ["SLOT_BYTES", "MAX_VALUES", "MAX_SLOTS", "NO_KEY", "FIRST_VERSION"])
def test_limits_of_requests_are_the_same_on_both_sides(name: str) -> None:
    found = re.search(rf"^    {name} = (-?\d+)", (CORE / "payload.pxd").read_text(), re.M)
    assert found is not None
    assert int(found[1]) == getattr(model, name)
