"""The portable engine's way to the disk: a thread that turns finished requests into lines of requests.jsonl."""

import os
import queue
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from loadgen.bundle.jsonl import format_lines
from loadgen.engine.contract import Sink
from loadgen.plan.model import Operation
from loadgen.records import RECORD_DTYPE, Block

QUEUED_BATCHES = 32
"""Batches that may wait for the disk. More is lost, and counted: the loop never waits, memory never grows."""


class Row(NamedTuple):
    """One finished request. values: as RECORD_DTYPE has them, in its order."""

    values: tuple[Any, ...]
    gaps_ns: list[int]


class LineWriter:
    """Appends to sink.path, and shows the sink each block whose lines are on the disk.

    disk_error: what the disk said; from then on nothing is written. n_lost: requests whose lines are not in the file.
    bug: what the sink raised.
    """

    def __init__(self, sink: Sink, operations: Sequence[Operation]) -> None:
        self.disk_error: str | None = None
        self.bug: Exception | None = None
        self.n_lost = 0
        self._sink = sink
        self._operations = operations
        self._batches: queue.Queue[list[Row] | None] = queue.Queue(QUEUED_BATCHES)
        self._fd = os.open(sink.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._n_good_bytes = os.fstat(self._fd).st_size
        self._thread = threading.Thread(target=self._write_all, name="loadgen-lines", daemon=True)
        self._thread.start()

    def put(self, rows: list[Row]) -> None:
        """Hand over finished requests. Never waits."""
        try:
            self._batches.put_nowait(rows)
        except queue.Full:
            self.n_lost += len(rows)

    def close(self) -> None:
        """Wait until everything is written."""
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()
            os.close(self._fd)

    def _write_all(self) -> None:
        while (rows := self._batches.get()) is not None:
            try:
                self._write(rows)
            except Exception as bug:  # a sink's mistake must end the run, and not leave the loop with a full queue
                self.bug = bug

    def _write(self, rows: list[Row]) -> None:
        if self.disk_error is not None or self.bug is not None:
            self.n_lost += len(rows)
            return
        block = _block_of(rows)
        self._sink.hide(block.records)
        n_lines = self._append(format_lines(block, self._sink.run_tag, self._operations))
        self.n_lost += len(rows) - n_lines
        written = block.records[:n_lines]
        if n_lines:
            self._sink.take(Block(written, block.gaps_ns[: written["n_gaps"].sum()]))

    def _append(self, text: bytes) -> int:
        """Return how many lines are in the file now, whole. Those that the disk has no room for are cut off again."""
        n_written = 0
        try:
            while n_written < len(text):
                n_written += os.write(self._fd, text[n_written:])
        except OSError as error:
            self.disk_error = error.strerror
            n_written = text.rfind(b"\n", 0, n_written) + 1
            os.truncate(self._fd, self._n_good_bytes + n_written)
        self._n_good_bytes += n_written
        return text.count(b"\n", 0, n_written)


def _block_of(rows: list[Row]) -> Block:
    records = np.array([row.values for row in rows], RECORD_DTYPE)
    gaps_ns = np.array([gap_ns for row in rows for gap_ns in row.gaps_ns], np.int64)
    return Block(records, gaps_ns)
