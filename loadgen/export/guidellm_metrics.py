"""The `metrics` of a GuideLLM benchmark. Seconds are since 1970, as there; a request begins when it was sent."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.export.chosen import Chosen, said_by_server
from loadgen.export.weighted import Floats, at_once, described, rates
from loadgen.units import NS_PER_MS, NS_PER_S

STATUSES = ("successful", "errored", "incomplete", "total")
SCHEDULED = ("request_dispatch_delay", "request_scheduled_latency")
"""Only where arrivals are planned: in an open loop."""

_Records = NDArray[Any]
_MODALITIES = {
    "text": ("tokens", "words", "characters"),
    "image": ("tokens", "images", "pixels", "bytes"),
    "video": ("tokens", "frames", "seconds", "bytes"),
    "audio": ("tokens", "samples", "seconds", "bytes"),
    "tool_call": ("tokens", "mixed_tokens", "count"),
}


def metrics_of(
    chosen: Chosen, by_status: Mapping[str, _Records], span_s: tuple[float, float], is_open: bool
) -> dict[str, Any]:
    """by_status: the requests of each of STATUSES. span_s: the measured window."""
    values = {name: _each(by_status, of) for name, of in _VALUES.items() if is_open or name not in SCHEDULED}

    def over_time(of: Callable[[Chosen, _Records, tuple[float, float]], Any]) -> dict[str, Any]:
        return {status: of(chosen, records, span_s) for status, records in by_status.items()}

    return {
        "request_totals": {status: len(records) for status, records in by_status.items()},
        **dict.fromkeys(SCHEDULED),
        **values,
        **{name: over_time(of) for name, of in _OVER_TIME.items()},
        **{name: dict.fromkeys(parts) for name, parts in _MODALITIES.items()},
        "turns": None,
        "slo_attainment": None,
        "slo_determined_requests": 0,
        "request_goodput": None,
    }


def _each(by_status: Mapping[str, _Records], of: Callable[[_Records], tuple[Floats, Floats | None]]) -> dict[str, Any]:
    return {status: described(*of(records)) for status, records in by_status.items()}


def span_ns(records: _Records, begin: str, end: str) -> NDArray[np.int64]:
    """From one instant to another, shape (n,); 0 where either never came."""
    known = (records[begin] >= 0) & (records[end] >= 0)
    return np.where(known, np.maximum(records[end] - records[begin], 0), 0)


def _span_s(begin: str, end: str) -> Callable[[_Records], tuple[Floats, None]]:
    return lambda records: (span_ns(records, begin, end) / NS_PER_S, None)


def _count(*names: str) -> Callable[[_Records], tuple[Floats, None]]:
    return lambda records: (sum((_tokens(records, name) for name in names), np.zeros(len(records))), None)


def _tokens(records: _Records, name: str) -> Floats:
    return said_by_server(records, name).astype(np.float64)


def _ttft(records: _Records) -> tuple[Floats, None]:
    started = records[records["first_token_at_ns"] >= 0]
    return span_ns(started, "sent_at_ns", "first_token_at_ns") / NS_PER_MS, None


def _tpot(records: _Records) -> tuple[Floats, Floats]:
    """From the send to the last token, a token; each token weighs 1."""
    n = _tokens(records, "output_tokens")
    return span_ns(records, "sent_at_ns", "last_token_at_ns") / NS_PER_MS / np.maximum(n, 1), n


def _itl(records: _Records) -> tuple[Floats, Floats]:
    """From the first token to the last, a gap; each gap weighs 1."""
    n = np.maximum(_tokens(records, "output_tokens") - 1, 0)
    return span_ns(records, "first_token_at_ns", "last_token_at_ns") / NS_PER_MS / np.maximum(n, 1), n


def _tokens_of_later_events(records: _Records) -> Floats:
    """Output tokens but one, spread over the content events but the first: a figure an event."""
    counts = _later_events(records)
    each = (_tokens(records, "output_tokens") - 1) / np.maximum(counts, 1)
    return np.repeat(each, counts)


def _later_events(records: _Records) -> NDArray[np.int64]:
    n_events = records["n_events"].astype(np.int64)
    return np.where((n_events > 1) & (records["output_tokens"] > 1), n_events - 1, 0)


def _tokens_of_first_events(records: _Records) -> Floats:
    """1 of an answer of several events, else all of its tokens."""
    n = _tokens(records, "output_tokens")
    return np.where(records["n_events"] > 1, np.minimum(n, 1), n)


def _tokens_an_event(records: _Records) -> tuple[Floats, None]:
    return np.concatenate([_tokens_of_first_events(records), _tokens_of_later_events(records)]), None


def _output_at_s(chosen: Chosen, records: _Records) -> Floats:
    """First events, then later ones, evenly spread up to the last: GuideLLM keeps no instants of their own for them."""
    first = np.where(records["n_events"] > 1, records["first_token_at_ns"], _last_ns(records))
    counts = _later_events(records)
    places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    steps = span_ns(records, "first_token_at_ns", "last_token_at_ns") / np.maximum(counts, 1)
    later = np.repeat(records["first_token_at_ns"], counts) + np.repeat(steps, counts) * places
    return _wall_s(chosen, np.concatenate([first, later]))


def _last_ns(records: _Records) -> NDArray[np.int64]:
    return np.where(records["last_token_at_ns"] >= 0, records["last_token_at_ns"], records["done_at_ns"])


def _first_ns(records: _Records) -> NDArray[np.int64]:
    return np.where(records["first_token_at_ns"] >= 0, records["first_token_at_ns"], records["done_at_ns"])


def _wall_s(chosen: Chosen, at_ns: NDArray[Any]) -> Floats:
    return chosen.wall_s(np.rint(at_ns).astype(np.int64))


def _requests_per_s(chosen: Chosen, records: _Records, span_s: tuple[float, float]) -> dict[str, Any]:
    ended = records[records["done_at_ns"] >= 0]
    return rates(_wall_s(chosen, ended["done_at_ns"]), np.ones(len(ended)), span_s)


def _concurrency(chosen: Chosen, records: _Records, span_s: tuple[float, float]) -> dict[str, Any]:
    both = records[(records["sent_at_ns"] >= 0) & (records["done_at_ns"] >= 0)]
    return at_once(_wall_s(chosen, both["sent_at_ns"]), _wall_s(chosen, both["done_at_ns"]), span_s)


def _prompt_per_s(chosen: Chosen, records: _Records, span_s: tuple[float, float]) -> dict[str, Any]:
    return rates(_wall_s(chosen, _first_ns(records)), _tokens(records, "prompt_tokens"), span_s)


def _output_per_s(chosen: Chosen, records: _Records, span_s: tuple[float, float]) -> dict[str, Any]:
    return rates(_output_at_s(chosen, records), _tokens_an_event(records)[0], span_s)


def _total_per_s(chosen: Chosen, records: _Records, span_s: tuple[float, float]) -> dict[str, Any]:
    at_s = np.concatenate([_wall_s(chosen, _first_ns(records)), _output_at_s(chosen, records)])
    return rates(at_s, np.concatenate([_tokens(records, "prompt_tokens"), _tokens_an_event(records)[0]]), span_s)


_VALUES: dict[str, Callable[[_Records], tuple[Floats, Floats | None]]] = {
    "request_latency": _span_s("sent_at_ns", "done_at_ns"),
    "request_dispatch_delay": _span_s("planned_at_ns", "sent_at_ns"),
    "request_scheduled_latency": _span_s("planned_at_ns", "done_at_ns"),
    "request_streaming_iterations_count": _count("n_events"),
    "prompt_token_count": _count("prompt_tokens"),
    "output_token_count": _count("output_tokens"),
    "total_token_count": _count("prompt_tokens", "output_tokens"),
    "time_to_first_token_ms": _ttft,
    "time_to_first_output_token_ms": lambda records: (np.zeros(0), None),  # reasoning is not told from content here
    "time_to_last_round_trip_ms": lambda records: (np.zeros(len(records)), None),  # only of its websocket backend
    "avg_round_trip_time_ms": lambda records: (np.zeros(len(records)), None),
    "time_per_output_token_ms": _tpot,
    "inter_token_latency_ms": _itl,
    "output_tokens_per_iteration": _tokens_an_event,
    "iter_tokens_per_iteration": lambda records: (_tokens_of_later_events(records), None),
}
_OVER_TIME: dict[str, Callable[[Chosen, _Records, tuple[float, float]], dict[str, Any]]] = {
    "requests_per_second": _requests_per_s,
    "request_concurrency": _concurrency,
    "prompt_tokens_per_second": _prompt_per_s,
    "output_tokens_per_second": _output_per_s,
    "tokens_per_second": _total_per_s,
}
