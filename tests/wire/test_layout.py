"""What the wire parsers share with the rest of the program only by number."""

import re
from pathlib import Path
from typing import Any

from loadgen.records import ERROR_BYTES, ERROR_CODE_BYTES, FinishReason

WIRE = Path(__file__).resolve().parents[2] / "ext" / "wire"


def test_finish_codes_are_those_of_the_record(probe: Any) -> None:
    assert {reason.name.lower(): reason.value for reason in FinishReason} == probe.FINISH_CODES


def test_an_error_and_its_code_are_as_wide_as_the_record_s(probe: Any) -> None:
    assert (probe.ERROR_BYTES, probe.ERROR_CODE_BYTES) == (ERROR_BYTES, ERROR_CODE_BYTES)


def test_every_reason_has_a_text_of_its_own(probe: Any) -> None:
    reasons = probe.reasons()
    assert reasons[0] == ""
    assert len(set(reasons)) == len(reasons)
    assert all(reason == "" or 4 < len(reason) <= 60 for reason in reasons)


def test_a_connection_s_parsers_take_less_than_a_kibibyte(probe: Any) -> None:
    assert probe.STRUCT_BYTES["Http1Parser"] + probe.STRUCT_BYTES["AnswerReader"] < 1024
    assert max(probe.STRUCT_BYTES["RespParser"], probe.STRUCT_BYTES["PgParser"]) < 1024


def test_parsers_are_short_and_never_hold_the_lock() -> None:
    for path in WIRE.glob("*.pxd"):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        functions = re.split(r"^(?=cdef inline )", text, flags=re.MULTILINE)[1:]
        for function in functions:
            assert len(function.rstrip().splitlines()) <= 40, function.splitlines()[0]
            assert re.search(r"\) noexcept nogil:", function), function.splitlines()[0]
