"""One finished request, as a numpy record: the only contract between the engines and everything that reads them.

`ext/core/record.pxd` declares the same layout for the native engine; a test compares names, offsets and sizes.
"""

from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NEVER = -1
"""An instant that never happened, or a count that the server did not give."""

ERROR_BYTES = 108
ERROR_CODE_BYTES = 23


class Outcome(IntEnum):
    """How a request ended. Everything but OK is a failure; CANCELLED counts as neither."""

    OK = 0
    RATE_LIMITED = 1
    SERVER_ERROR = 2
    CLIENT_ERROR = 3
    CONNECT_FAILED = 4
    RESET = 5
    TIMEOUT = 6
    PROTOCOL_ERROR = 7
    STREAM_ERROR = 8
    EMPTY_OUTPUT = 9
    TRUNCATED = 10
    CONTEXT_LENGTH_EXCEEDED = 11
    REFUSED = 12
    WRONG_ANSWER = 13
    CANCELLED = 14


class Phase(IntEnum):
    """Where the planned instant lies."""

    WARMUP = 0
    MEASURE = 1
    DRAIN = 2


class Stamp(IntEnum):
    """What dated the arrivals: the kernel at reception, or the client when it read."""

    READ = 0
    KERNEL = 1


class FinishReason(IntEnum):
    """Why the model stopped, as the server says it. NONE: it did not say."""

    NONE = 0
    STOP = 1
    LENGTH = 2
    TOOL_CALLS = 3
    CONTENT_FILTER = 4
    OTHER = 5


class Checked(IntEnum):
    """Whether the answer was held against what is known to be right; a wrong one has outcome WRONG_ANSWER."""

    NO = 0
    YES = 1


class TokenSource(IntEnum):
    """Where output_tokens comes from. NONE: the operation has no tokens."""

    NONE = 0
    USAGE = 1
    EVENTS = 2


RECORD_DTYPE = np.dtype(
    [
        ("index", "<i8"),  # the request's place in the plan, from 0
        ("planned_at_ns", "<i8"),  # instants: ns since the run began, NEVER where it did not happen
        ("sent_at_ns", "<i8"),
        ("first_byte_at_ns", "<i8"),
        ("first_token_at_ns", "<i8"),
        ("last_token_at_ns", "<i8"),
        ("done_at_ns", "<i8"),
        ("read_lag_ns", "<i8"),  # the largest of (read - arrival); 0 where nothing came
        ("request_bytes", "<i8"),
        ("response_bytes", "<i8"),  # head and body as they came over the wire
        ("server_total_ns", "<i8"),  # durations the server itself reports (Ollama), NEVER where it does not
        ("server_load_ns", "<i8"),
        ("server_prompt_eval_ns", "<i8"),
        ("server_eval_ns", "<i8"),
        ("n_events", "<i4"),  # content events
        ("n_gaps", "<i4"),  # gaps kept beside the record: n_events - 1, or fewer where the arena was full
        ("n_shared_stamps", "<i4"),  # content events whose stamp is that of a later one read with them
        ("prompt_tokens", "<i4"),  # the server's figure, NEVER where it gives none
        ("output_tokens", "<i4"),  # see token_source; NEVER where the operation has none
        ("connection", "<i4"),  # which connection carried it, from 0; NEVER if none did
        ("payload", "<i4"),  # which request of the plan's pool
        ("n_items", "<i4"),  # rows, ids or elements of the answer; NEVER where it has none to count
        ("n_hits", "<i4"),  # ids of the answer that are true neighbours; NEVER where that was not asked
        ("http_status", "<u2"),  # 0 where no status line came
        ("outcome", "u1"),
        ("phase", "u1"),
        ("operation", "u1"),  # index into the plan's operations
        ("stamp", "u1"),
        ("finish_reason", "u1"),
        ("token_source", "u1"),
        ("checked", "u1"),
        ("error_code", f"S{ERROR_CODE_BYTES}"),  # the server's own word: SQLSTATE, LOADING, NoSuchKey; empty where none
        ("error", f"S{ERROR_BYTES}"),  # UTF-8, what the server or the kernel said; empty where nothing
    ]
)


class Block(NamedTuple):
    """Some finished requests, in the order in which they ended.

    records: shape (n,), RECORD_DTYPE.
    gaps_ns: shape (records["n_gaps"].sum(),), int64; gaps between consecutive content events, request after request.
    """

    records: NDArray[Any]
    gaps_ns: NDArray[np.int64]


class OperationLike(Protocol):
    """An operation of a plan, as far as files and figures need it: a record names it by its place among the others.

    service: "" where there is only one. top_k: how many neighbours an answer could name, 0: none are asked for.
    """

    @property
    def name(self) -> str: ...
    @property
    def expects_tokens(self) -> bool: ...
    @property
    def service(self) -> str: ...
    @property
    def top_k(self) -> int: ...


def empty_record() -> NDArray[Any]:
    """Shape (1,): nothing has happened yet. Instants and unknown counts are NEVER."""
    record = np.zeros(1, RECORD_DTYPE)
    for name in (
        *("sent_at_ns", "first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns"),
        *("server_total_ns", "server_load_ns", "server_prompt_eval_ns", "server_eval_ns"),
        *("prompt_tokens", "output_tokens", "connection", "n_items", "n_hits"),
    ):
        record[name] = NEVER
    return record
