"""What the work of a window cost: in energy, and in money."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loadgen.monitor.means import Span, number, rounded

S_PER_HOUR = 3600.0


class Work(NamedTuple):
    """What was done in the window, of all services together. None: not known, or there is none.

    window: of several services, from the first one's beginning to the last one's end. output_tokens: those that arrived
    in it. prompt_tokens: of its successes. is_here: all services are on this host.
    """

    window: Span
    n_succeeded: float
    output_tokens: float | None
    prompt_tokens: float | None
    is_here: bool


def work_of(summary: Mapping[str, Any], run: Mapping[str, Any]) -> Work | None:
    """None where a summary has no window."""
    parts = list((summary.get("services") or {"": summary}).values())
    windows = [part.get("window") or {} for part in parts]
    begins = [window["from_ns"] for window in windows if number(window.get("from_ns")) is not None]
    ends = [window["to_ns"] for window in windows if number(window.get("to_ns")) is not None]
    if not begins or not ends:
        return None
    return Work(
        Span(min(begins), max(ends)),
        _sum([(part.get("requests") or {}).get("succeeded") for part in parts]) or 0,
        _sum([window.get("n_tokens") for window in windows]),
        _sum([part.get("total_prompt_tokens") for part in parts]),
        _is_here(run.get("service") or {}),
    )


def _sum(values: Sequence[Any]) -> float | None:
    known = [value for value in map(number, values) if value is not None]
    return sum(known) if known else None


def _is_here(service: Mapping[str, Any]) -> bool:
    return all(one.get("on_this_host") is True for one in (service.get("services") or {"": service}).values())


def energy_of(work: Work, mean_power_w: float | None) -> dict[str, Any] | None:
    """mean_power_w: of the cards. What a token took is only told where the service is on their host."""
    if mean_power_w is None:
        return None
    energy_j = mean_power_w * work.window.s
    return {
        "mean_power_w": rounded(mean_power_w),
        "energy_j": rounded(energy_j),
        "joules_per_output_token": _each(energy_j, work.output_tokens if work.is_here else None),
        "joules_per_request": _each(energy_j, work.n_succeeded if work.is_here else None),
    }


def cost_of(work: Work, cost: Mapping[str, Any]) -> dict[str, Any]:
    """cost: the recipe's."""
    of_window = cost["per_hour"] * work.window.s / S_PER_HOUR
    both = (work.output_tokens, work.prompt_tokens)
    in_all = sum(tokens for tokens in both if tokens is not None) if None not in both else None
    return {
        "per_hour": cost["per_hour"],
        "currency": cost.get("currency"),
        "of_window": rounded(of_window),
        "per_1000_requests": _each(of_window, work.n_succeeded, 1e3),
        "per_million_output_tokens": _each(of_window, work.output_tokens, 1e6),
        "per_million_tokens": _each(of_window, in_all, 1e6),
    }


def _each(whole: float, n: float | None, of: float = 1.0) -> float | None:
    return rounded(whole / n * of) if n else None
