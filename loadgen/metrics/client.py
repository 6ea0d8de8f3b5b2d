"""The load generator judges itself: trusted, suspect or bound, with reasons that a person understands.

What counts against it is only what it can be blamed for. Latency that comes from waiting for a free connection, from a
slow connect or from a server that takes a large request slowly is the service's; a busy host is named as the reason
where the client was late, and is no fault where it was not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.client_counts import LAG_FLOOR_NS, ClientCounts
from loadgen.metrics.facts import RunFacts
from loadgen.metrics.figures import Figures, merged_metrics
from loadgen.metrics.histogram import Histogram
from loadgen.units import ms_from_ns, s_from_ns

if TYPE_CHECKING:
    from loadgen.metrics.tally import Tally

TRUSTED, SUSPECT, BOUND = "trusted", "suspect", "bound"

BUSY = (0.85, 0.95)
"""Of a loop's time, above which it is suspect, and bound. A turn that finds work counts as busy, so a loop shows 0.5
long before it is late. At 0.85 what arrives waits for 3 others, at 0.95 for 10 (the M/D/1 queue: r / (2 - 2 r))."""

CPU_USED = (0.90, 0.97)
"""Of the CPUs that the process may use. Above, the scheduler or a quota stops it, whatever its loop could do."""

LAG = (0.10, 0.50)
"""The client's own delay as a share of the latency that is claimed: a tenth shows in it, with half it is its own."""

SHARED = (0.05, 0.50)
"""Tokens without an instant of their own: with 5 % of them the p95 of the gaps is not known, with half the median."""

CEILING = (0.70, 0.90)
"""Of what was calibrated. A calibration is repeatable to about a tenth, and the last tenth is where queues grow."""

CEILING_NEEDS_BUSY = 0.5
"""A loop that waits half of its time is not at its limit: a calibration shares the host with the simulator, and may
have been at that one's."""

STARVED = (0.20, 0.50)
"""Of the time a loop was ready and had no CPU. Used alone only where no lag can be measured; else it explains one."""

STEAL = (0.05, 0.25)
"""Of the CPUs' time, taken by other guests: then kernel stamps are late too, unseen."""

LOST = (0.0, 0.001)
"""Of the records: any loss leaves the figures of a part of the load, from a thousandth on the p99.9 is not known."""

BACKLOG = 0.75
"""Of the room for records that wait for the disk: not much more, and records are lost."""

HOST_FULL = 0.90
SHORTEST_S = 0.5
"""Shares of less time than this say nothing: CPU time comes in ticks of 10 ms."""

UNKNOWN_REASON = "not known: the run was killed before the load generator could say how it had fared"

_LIKE_GAPS = 90.0
"""If 5 % of the tokens share a stamp because of late reads, far more than a tenth of the requests have such a read."""


class Reason(NamedTuple):
    verdict: str
    text: str


class Delay(NamedTuple):
    """What the client added to some latency: p50 and p99, ns, and how that came about."""

    late_ns: tuple[float, float]
    how: str


def client_of(tallies: "Sequence[Tally]", facts: RunFacts, ceiling: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """summary.json's `client`: the load generator's own share in what was measured.

    ceiling: {events_per_s, requests_per_s, at}, what this host has been seen to drive with this engine and threads.
    """
    strain = facts.strain
    if not all(operation.expects_tokens for tally in tallies for operation in tally.operations):
        ceiling = None  # it was calibrated with streams
    reasons = list(reasons_of(tallies, facts, ceiling))
    lags = merged_metrics([figures for tally in tallies for figures in tally.figures], ("send_lag", "read_lag"))
    counts, loop_ns = [tally.client for tally in tallies], _loop_lags(facts)
    return {
        "verdict": verdict_of(reasons, facts),
        "reasons": [reason.text for reason in reasons] if is_known(facts) else [UNKNOWN_REASON],
        "busy_ratio": facts.busy_ratio,
        "cpu_ratio": _cpu_ratio(tallies, facts.cpu_s),
        "cpu_s": facts.cpu_s,
        "cpu_limit": strain and strain.cpu_limit,
        "starved_ratio": strain and strain.starved_ratio,
        "steal_ratio": strain and strain.steal_ratio,
        "host_cpu_ratio": strain and strain.host_cpu_ratio,
        "p99_send_lag_ms": _p99_ms(lags.get("send_lag")),
        "p99_own_send_lag_ms": _p99_ms(Histogram.merged(one.own_send_lag for one in counts)),
        "connection_wait_ratio": _ratio(sum(one.n_waited for one in counts), sum(one.n_sent for one in counts)),
        "p99_read_lag_ms": _p99_ms(lags.get("read_lag")),
        "p99_loop_lag_ms": _ms(loop_ns and loop_ns[1]),
        "shared_stamps_ratio": _ratio(sum(one.n_shared_stamps for one in counts), sum(one.n_events for one in counts)),
        "stamp": facts.stamp,
        "n_clock_steps": facts.n_clock_steps,
        "n_lost_records": facts.n_lost_records,
        "backlog_ratio": strain and strain.backlog_ratio,
        "ceiling": None if ceiling is None else dict(ceiling),
    }


def is_known(facts: RunFacts) -> bool:
    """A killed run has its records, but nothing of what the engine knew."""
    return facts.busy_ratio is not None or facts.strain is not None


def verdict_of(reasons: Sequence[Reason], facts: RunFacts) -> str | None:
    if not is_known(facts):
        return None
    verdicts = {reason.verdict for reason in reasons}
    return BOUND if BOUND in verdicts else SUSPECT if SUSPECT in verdicts else TRUSTED


def reasons_of(tallies: "Sequence[Tally]", facts: RunFacts, ceiling: Mapping[str, Any] | None) -> Iterator[Reason]:
    """Each with the verdict that it alone would give; none where the client can be trusted."""
    if not is_known(facts):
        return
    elapsed_s = _elapsed_s(tallies, facts)
    blamed = [reason for tally in tallies for reason in _of_service(tally, facts)]
    if elapsed_s is None or elapsed_s >= SHORTEST_S:
        blamed = [*_of_loop(tallies, facts), *blamed, *_of_ceiling(tallies, facts, ceiling)]
        yield from blamed
        yield from _of_host(facts, is_late=bool(blamed))
    else:
        yield from blamed
    yield from _of_records(tallies, facts)


def _of_loop(tallies: "Sequence[Tally]", facts: RunFacts) -> Iterator[Reason]:
    at_rate = _at_rate(tallies)
    yield from _judged(facts.busy_ratio, BUSY, f"the loop was busy {{}} of the time{at_rate}")
    limit = facts.strain.cpu_limit if facts.strain else None
    if limit and facts.strain and facts.cpu_s is not None:
        used = facts.cpu_s / facts.strain.elapsed_s / limit
        text = f"the process used {{}} of the {_plain(limit)} CPUs that it may use{at_rate}"
        yield from _judged(used, CPU_USED, text)


def _of_service(tally: "Tally", facts: RunFacts) -> Iterator[Reason]:
    """Its latencies against the client's own delay, and gaps that lost their instants."""
    name = next((f"{operation.service}: " for operation in tally.operations if operation.service), "")
    metrics = merged_metrics(tally.figures, ("ttft", "e2e", "itl", "read_lag"))
    sending, reading = _sending(tally.client, metrics.get("read_lag"), facts), _reading(tally.client, facts)
    at_rate = _at_rate([tally])
    words, metric = ("time to first token", "ttft") if "ttft" in metrics else ("time to the whole answer", "e2e")
    if metric in metrics and (delay := reading or sending) is not None:
        yield from _late(name, f"the {words}", metrics[metric], delay, at_rate)
    loop_ns = _loop_lags(facts)
    if "itl" in metrics and reading is not None and loop_ns is not None:
        yield from _late(name, "the gap between tokens", metrics["itl"], Delay(loop_ns, reading.how), at_rate)
    yield from _shared(name, tally.client, metrics, facts)


def _sending(counts: ClientCounts, read_lag: Histogram | None, facts: RunFacts) -> Delay | None:
    """Kernel stamps date arrivals whatever the client does: what it adds is that it sends late.

    A loop that is late in sending is late in reading too; one that is not was waiting for a connect, or for the kernel
    to take the request: so the smaller of the two. None: it cannot be told.
    """
    own_ns, read_ns = _p50_p99(counts.own_send_lag), _p50_p99(read_lag)
    if own_ns is None or read_ns is None or facts.stamp != "kernel":
        return None
    how = "requests left {} late at {}, though they were due and had a connection"
    return Delay((min(own_ns[0], read_ns[0]), min(own_ns[1], read_ns[1])), how)


def _reading(counts: ClientCounts, facts: RunFacts) -> Delay | None:
    """Without kernel stamps a late read is dated late, and the send before it was late as well."""
    own_ns, loop_ns = _p50_p99(counts.own_send_lag) or (0.0, 0.0), _loop_lags(facts)
    if loop_ns is None:
        return None
    how = "the loop got to what came {} late at {}, which dates it so much later"
    return Delay((loop_ns[0] + min(own_ns[0], loop_ns[0]), loop_ns[1] + min(own_ns[1], loop_ns[1])), how)


def _late(name: str, words: str, claimed: Histogram, delay: Delay, at_rate: str) -> Iterator[Reason]:
    figures_ns = _p50_p99(claimed)
    if figures_ns is None:
        return
    shares = [
        (late_ns / figure_ns, which, late_ns, figure_ns)
        for which, late_ns, figure_ns in zip(("p50", "p99"), delay.late_ns, figures_ns, strict=True)
        if late_ns > LAG_FLOOR_NS and figure_ns > 0
    ]
    share, which, late_ns, figure_ns = max(shares, default=(0.0, "", 0.0, 0.0))
    late = delay.how.format(_in_ms(late_ns), which)
    text = f"{name}{late}{at_rate}: {{}} of the {which} of {words} ({_in_ms(figure_ns)})"
    yield from _judged(min(share, 1.0), LAG, text)


def _shared(name: str, counts: ClientCounts, metrics: Mapping[str, Histogram], facts: RunFacts) -> Iterator[Reason]:
    """Events that a server sends in one packet share a stamp too: only reads that were later than a gap is long are
    the client's."""
    gaps, lags = metrics.get("itl"), metrics.get("read_lag")
    if not counts.n_events or gaps is None or lags is None or facts.stamp != "kernel":
        return
    late_ns, gap_ns = lags.percentile(_LIKE_GAPS), gaps.mean
    if late_ns is None or gap_ns is None or late_ns < max(gap_ns, LAG_FLOOR_NS):
        return
    why = f"reads were {_in_ms(late_ns)} late (p90) and a gap is {_in_ms(gap_ns)} long"
    text = f"{name}{{}} of the tokens were read together with a later one, so their gaps are not known: {why}"
    yield from _judged(counts.n_shared_stamps / counts.n_events, SHARED, text)


def _of_ceiling(tallies: "Sequence[Tally]", facts: RunFacts, ceiling: Mapping[str, Any] | None) -> Iterator[Reason]:
    if ceiling is None or (facts.busy_ratio or 0.0) < CEILING_NEEDS_BUSY:
        return
    rates = {"events": _rate(tallies, _n_events), "requests": _rate(tallies, lambda of: of.n_finished)}
    for what, rate in rates.items():
        most = ceiling.get(f"{what}_per_s")
        if most:
            text = f"{_plain(rate)} {what}/s are {{}} of what this host could drive when it was calibrated"
            yield from _judged(rate / most, CEILING, text)


def _of_host(facts: RunFacts, is_late: bool) -> Iterator[Reason]:
    """Why the client was late, if it was. Stolen CPU counts by itself: it moves the kernel's stamps as well."""
    strain = facts.strain
    if strain is None:
        return
    yield from _judged(strain.steal_ratio, STEAL, "other guests of this host's hypervisor took {} of its CPU time")
    is_lag_known = facts.stamp == "kernel" or strain.loop_lags_ns is not None
    text = "its loop was ready to run and had no CPU for {} of the time"
    if not is_lag_known:
        yield from _judged(strain.starved_ratio, STARVED, text)
    elif is_late and (strain.starved_ratio or 0.0) >= STARVED[0]:
        yield Reason(SUSPECT, text.format(_percent(strain.starved_ratio or 0.0)))
    if is_late and (strain.host_cpu_ratio or 0.0) >= HOST_FULL:
        yield Reason(SUSPECT, f"the CPUs that it may use were {_percent(strain.host_cpu_ratio or 0.0)} in use, by all")


def _of_records(tallies: "Sequence[Tally]", facts: RunFacts) -> Iterator[Reason]:
    if facts.n_lost_records:
        n = sum(figures.n_planned for tally in tallies for figures in tally.figures) + facts.n_lost_records
        text = f"{facts.n_lost_records:,} requests are in no figure: the disk was too slow or full for their records"
        yield from _judged(facts.n_lost_records / n, LOST, text)
    elif facts.strain is not None and (backlog := facts.strain.backlog_ratio or 0.0) > BACKLOG:
        yield Reason(
            SUSPECT,
            f"records waited for the disk in {_percent(backlog)} of the room there is: it is hardly fast enough",
        )
    if facts.n_clock_steps and facts.stamp == "kernel":
        yield Reason(SUSPECT, f"the wall clock was set {facts.n_clock_steps} times: arrivals around it may be off")


def _judged(share: float | None, limits: tuple[float, float], text: str) -> Iterator[Reason]:
    """A reason where a share is above the first limit, of BOUND where it is above the second. {}: the share."""
    if share is not None and share > limits[0]:
        yield Reason(BOUND if share > limits[1] else SUSPECT, text.format(_percent(share)))


# --- figures


def _loop_lags(facts: RunFacts) -> tuple[float, float] | None:
    """p50 and p99, ns."""
    lags_ns: NDArray[np.int64] | None = facts.strain.loop_lags_ns if facts.strain else None
    if lags_ns is None or not len(lags_ns):
        return None
    p50, p99 = np.percentile(lags_ns, (50, 99))
    return float(p50), float(p99)


def _p50_p99(histogram: Histogram | None) -> tuple[float, float] | None:
    if histogram is None or not histogram.n:
        return None
    p50, p99 = histogram.percentile((50.0, 99.0))
    return float(p50), float(p99)


def _elapsed_s(tallies: "Sequence[Tally]", facts: RunFacts) -> float | None:
    return facts.strain.elapsed_s if facts.strain else _busy_s(tallies)


def _busy_s(tallies: "Sequence[Tally]") -> float | None:
    """From the first send to the last answer."""
    firsts = [tally.first_sent_at_ns for tally in tallies if tally.first_sent_at_ns is not None]
    lasts = [tally.last_end_at_ns for tally in tallies if tally.last_end_at_ns is not None]
    return s_from_ns(max(lasts) - min(firsts)) if firsts and lasts else None


def _cpu_ratio(tallies: "Sequence[Tally]", cpu_s: float | None) -> float | None:
    """1: one core was busy from the first send to the last answer."""
    busy_s = _busy_s(tallies)
    return None if cpu_s is None or busy_s is None else _ratio(cpu_s, busy_s)


def _at_rate(tallies: "Sequence[Tally]") -> str:
    """`, at 24,000 tokens/s`; empty where nothing was measured."""
    tokens, requests = (_rate(tallies, count) for count in (lambda of: of.arrived_tokens, lambda of: of.n_finished))
    rate, what = (tokens, "tokens") if tokens else (requests, "requests")
    return f", at {_plain(rate)} {what}/s" if rate else ""


def _rate(tallies: "Sequence[Tally]", count: "Callable[[Figures], float]") -> float:
    return sum(
        sum(map(count, tally.figures)) / window_s for tally in tallies if (window_s := _window_s(tally)) is not None
    )


def _window_s(tally: "Tally") -> float | None:
    ends = [end for end in (tally.window_end_ns, tally.last_end_at_ns) if end is not None]
    if tally.window_from_ns is None or not ends or min(ends) <= tally.window_from_ns:
        return None
    return s_from_ns(min(ends) - tally.window_from_ns)


def _n_events(figures: Figures) -> float:
    """Content events that arrived in the window."""
    return figures.arrived_tokens * (_ratio(figures.n_events, figures.n_event_tokens) or 1.0)


def _p99_ms(histogram: Histogram | None) -> float | None:
    return _ms(None if histogram is None else histogram.percentile(99.0))


def _ms(ns: float | None) -> float | None:
    """To the nanosecond."""
    return None if ns is None else round(ms_from_ns(ns), 6)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


# --- words


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.1 else 1}f} %"


def _in_ms(ns: float) -> str:
    return f"{_plain(ms_from_ns(ns))} ms"


def _plain(value: float) -> str:
    """Three significant digits: 24,000; 3.1; 0.213."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
