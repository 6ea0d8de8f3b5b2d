"""Names and shapes of a bundle's files. docs/bundle.md lists the keys."""

import re
from typing import Any, NamedTuple

from loadgen.records import FinishReason, OperationLike, Outcome, Phase, Stamp, TokenSource

SCHEMA_VERSION = 1
"""In every JSON file of a bundle. Raised when a key changes its meaning or goes away."""

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
REQUESTS_FILE = "requests.jsonl"
MONITOR_FOLDER = "monitor"
RESERVE_FILE = ".reserve"

BENCHMARK_ID = re.compile(r"BM-(\d{8})-(\d{3,})")
REQUEST_ID_CHARS = 28
"""`<benchmark id>-<index>`, the index zero-padded so that the whole is this wide: the width of a slot in a request."""

STATUSES = ("running", "complete", "interrupted", "failed")

OUTCOMES = tuple(kind.name.lower() for kind in Outcome)
PHASES = tuple(kind.name.lower() for kind in Phase)
STAMPS = tuple(kind.name.lower() for kind in Stamp)
FINISH_REASONS = (None, *(kind.name.lower() for kind in FinishReason if kind))
TOKEN_SOURCES = (None, *(kind.name.lower() for kind in TokenSource if kind))

TOKEN_KEYS = (
    "first_token_at_ns",
    "last_token_at_ns",
    "finish_reason",
    "prompt_tokens",
    "output_tokens",
    "token_source",
    "n_events",
    "n_shared_stamps",
    "itl_ns",
    "ttft_s",
)
"""Left out of the lines of an operation that has no tokens."""

SERVER_KEYS = ("server_total_ns", "server_load_ns", "server_prompt_eval_ns", "server_eval_ns")
"""Left out where the server does not report them."""

CONTENT_KEYS = ("n_items", "n_hits")
"""Left out where an answer has nothing to count."""

LEFT_OUT = ("service", "error_code", *SERVER_KEYS, *CONTENT_KEYS, "checked")
"""Keys that a line has only where they apply."""

LINE_KEYS = (
    "request_id",
    "index",
    "phase",
    "operation",
    "service",
    "planned_at_ns",
    "sent_at_ns",
    "first_byte_at_ns",
    "first_token_at_ns",
    "last_token_at_ns",
    "done_at_ns",
    "stamp",
    "read_lag_ns",
    "outcome",
    "success",
    "http_status",
    "error",
    "error_code",
    "finish_reason",
    "prompt_tokens",
    "output_tokens",
    "token_source",
    "n_events",
    "n_shared_stamps",
    "itl_ns",
    *SERVER_KEYS,
    *CONTENT_KEYS,
    "checked",
    "request_bytes",
    "response_bytes",
    "connection",
    "payload",
    "latency_s",
    "ttft_s",
)
"""The keys of a line of requests.jsonl, in their order."""


class KeptOperation(NamedTuple):
    """An operation of the run. Its place among the others is what records name it by.

    service: "" where there is one only. top_k: how many neighbours an answer could name, 0: none are asked for.
    """

    name: str
    expects_tokens: bool
    service: str = ""
    top_k: int = 0


def describe_operation(operation: OperationLike) -> dict[str, Any]:
    """An entry of run.json's plan.operations."""
    return {
        "name": operation.name,
        "expects_tokens": operation.expects_tokens,
        **({"service": operation.service} if operation.service else {}),
        **({"top_k": operation.top_k} if operation.top_k else {}),
    }


def benchmark_id(day: str, number: int) -> str:
    """day: YYYYMMDD. Numbers over 999 take more digits."""
    return f"BM-{day}-{number:03d}"


def request_id(run_tag: str, index: int) -> str:
    return f"{run_tag}-{index:0{REQUEST_ID_CHARS - len(run_tag) - 1}d}"
