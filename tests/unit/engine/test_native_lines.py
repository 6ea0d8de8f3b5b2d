"""The native formatter writes, byte for byte, the lines that the Python one writes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadgen.bundle.jsonl import format_lines
from loadgen.plan.model import Operation
from loadgen.records import (
    ERROR_BYTES,
    ERROR_CODE_BYTES,
    NEVER,
    RECORD_DTYPE,
    Block,
    Checked,
    FinishReason,
    Outcome,
    Phase,
    Stamp,
    TokenSource,
)

native = pytest.importorskip("loadgen.engine._lines", reason="the native engine is not built")

TAG = "BM-20261121-001"
OPERATIONS = (
    Operation("chat", expects_tokens=True),
    Operation('a "quoted" one'),
    Operation("get", service="cache"),
    Operation("get", service='a "quoted" store'),
)
INSTANT = st.one_of(st.just(NEVER), st.integers(0, 2**62))
COUNT = st.one_of(st.just(NEVER), st.integers(0, 2**31 - 1))
CODES: dict[str, st.SearchStrategy[int]] = {
    "http_status": st.integers(0, 999),
    "outcome": st.sampled_from(list(Outcome)),
    "phase": st.sampled_from(list(Phase)),
    "operation": st.integers(0, len(OPERATIONS) - 1),
    "stamp": st.sampled_from(list(Stamp)),
    "finish_reason": st.sampled_from(list(FinishReason)),
    "token_source": st.sampled_from(list(TokenSource)),
    "checked": st.sampled_from(list(Checked)),
}


def field(name: str) -> st.SearchStrategy[object]:
    if name in CODES:
        return CODES[name]
    if name == "index":
        return st.integers(0, 10**12 - 1)
    if name == "planned_at_ns":
        return st.integers(0, 2**61)
    if name in ("read_lag_ns", "request_bytes", "response_bytes"):
        return st.integers(0, 2**62)
    if name in ("n_events", "n_shared_stamps", "payload"):
        return st.integers(0, 2**31 - 1)
    return INSTANT if RECORD_DTYPE[name].itemsize == 8 else COUNT


TEXT = st.text(max_size=ERROR_BYTES).filter(lambda text: "\0" not in text)
TEXTS = {
    "error": TEXT.map(lambda text: text.encode()[:ERROR_BYTES]),
    "error_code": TEXT.map(lambda text: text.encode()[:ERROR_CODE_BYTES]),
}
RECORD = st.fixed_dictionaries(
    {name: field(name) for name in RECORD_DTYPE.names or () if name not in (*TEXTS, "n_gaps")}
    | TEXTS
    | {"gaps_ns": st.lists(st.integers(0, 2**62), max_size=4)}
)


def block_of(rows: list[dict[str, object]]) -> Block:
    records = np.zeros(len(rows), RECORD_DTYPE)
    gaps: list[int] = []
    for record, row in zip(records, rows, strict=True):
        own = row["gaps_ns"]
        assert isinstance(own, list)
        for name, value in row.items():
            if name != "gaps_ns":
                record[name] = value
        record["n_gaps"] = len(own)
        for name in ("done_at_ns", "first_token_at_ns"):
            if record[name] != NEVER:
                record[name] = max(record[name], record["planned_at_ns"])
        gaps += own
    return Block(records, np.array(gaps, np.int64))


def written_by_native(block: Block, path: Path) -> bytes:
    from loadgen.bundle.jsonl import codes, operation_json

    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        names = [operation_json(one) for one in OPERATIONS]
        lines = native.Lines(fd, 0, TAG.encode(), names, [one.expects_tokens for one in OPERATIONS], codes())
        lines.write(bytes_of(block.records), bytes_of(block.gaps_ns))
    finally:
        os.close(fd)
    return path.read_bytes()


def bytes_of(array: NDArray[np.generic]) -> memoryview:
    return memoryview(array.tobytes())


@given(st.lists(RECORD, min_size=1, max_size=5))
def test_native_lines_are_the_python_lines(rows: list[dict[str, object]]) -> None:
    block = block_of(rows)
    path = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    assert written_by_native(block, path / f"loadgen-lines-{os.getpid()}") == format_lines(block, TAG, OPERATIONS)


WRITE_UNTIL_FULL = """
import os, resource, sys
import numpy as np
from loadgen.engine import _lines
from loadgen.bundle.jsonl import codes
from loadgen.records import empty_record
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
lines = _lines.Lines(fd, 0, b"BM-20261121-001", [b'"chat"'], [True], codes())
records = np.concatenate([empty_record()] * 5)
n_written = 0
while not lines.error:
    n_written += lines.write(memoryview(records.tobytes()), memoryview(b""))
print(n_written, lines.error)
"""


def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    command = [sys.executable, "-c", WRITE_UNTIL_FULL, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_written, code = map(int, done.stdout.split())
    assert code == errno.EFBIG
    assert path.read_bytes().endswith(b"}\n")
    assert path.read_bytes().count(b"\n") == n_written > 0
