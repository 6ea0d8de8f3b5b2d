"""What a run comes to, in one sentence that can be read aloud."""

from dataclasses import dataclass

from loadgen.report.facts import COMPLETE, FAILED, INTERRUPTED, Facts
from loadgen.report.numbers import figure, is_known, ms, percentile, plain
from loadgen.report.slos import FAIL, PASS, UNDECIDED, Limit
from loadgen.report.words import OUTCOMES, plural

NO_SLO, NO_RESULT, PARTIAL = "NO SLO", "NO RESULT", "PARTIAL"


@dataclass(frozen=True)
class Verdict:
    """value: PASS, FAIL, UNDECIDED (too few samples to tell), NO SLO (nothing to hold it against), NO RESULT (nothing
    measured), PARTIAL (cut off).
    """

    value: str
    sentence: str

    @property
    def line(self) -> str:
        return f"{self.value}: {self.sentence}"


def verdict_of(facts: Facts) -> Verdict:
    """Sums up the SLOs' verdicts, which are the summary's own. A run that was cut off neither passes nor fails.

    Wrong answers are said first, whatever the verdict.
    """
    verdict = _without_checks(facts)
    return Verdict(verdict.value, f"{wrong_answers(facts)}{verdict.sentence}")


def _without_checks(facts: Facts) -> Verdict:
    if not facts.n_finished:
        says = f"no request was finished in the measured window, with {facts.load}."
        return Verdict(NO_RESULT, f"{_cut_off(facts)}{says}")
    verdict = _judged(facts)
    if facts.status == COMPLETE or (facts.status == FAILED and verdict.value == FAIL):
        return Verdict(verdict.value, f"{_cut_off(facts)}{verdict.sentence}")
    return Verdict(PARTIAL, f"{_cut_off(facts)}{verdict.sentence}")


def _judged(facts: Facts) -> Verdict:
    if not facts.n_succeeded:
        everything = plural(facts.n_finished, "request")
        return Verdict(FAIL, f"none of {everything} succeeded, with {facts.load}{_reason(facts)}.")
    limits = facts.limits
    if not limits:
        return Verdict(NO_SLO, f"no limits were set. With {facts.load} it gave {headline(facts)}.")
    broken = [limit for limit in limits if not limit.holds and not limit.is_undecided]
    open_ = [limit for limit in limits if limit.is_undecided]
    if broken:
        says = f"{len(broken)} of {plural(len(limits), 'limit')} broken with {facts.load}"
        also = f"; {len(open_)} more undecided" if open_ else ""
        return Verdict(FAIL, f"{says}: {'; '.join(map(stated, broken))}{also}. It gave {headline(facts)}.")
    if open_:
        says = f"{len(open_)} of {plural(len(limits), 'limit')} undecided with {facts.load}, not enough samples"
        return Verdict(UNDECIDED, f"{says}: {'; '.join(map(_stated_open, open_))}. It gave {headline(facts)}.")
    all_hold = {1: "the limit holds", 2: "both limits hold"}.get(len(limits), f"all {len(limits)} limits hold")
    return Verdict(PASS, f"{all_hold} with {facts.load}: {headline(facts)}.")


def _stated_open(limit: Limit) -> str:
    """p99 time to first token is 136 ms (limit: < 150 ms; 412 more would decide)."""
    return stated(limit, limit.more)


def stated(limit: Limit, also: str = "") -> str:
    """p99 time to first token is 613 ms (limit: < 500 ms). also: what more to say of the limit."""
    bound = f"{limit.op} {limit.shown(limit.threshold) if not limit.is_time else plain(limit.threshold) + ' ms'}"
    bound += f"; {also}" if also else ""
    if limit.value is None:
        return f"{limit.name} could not be measured (limit: {bound})"
    return f"{limit.name} is {limit.shown(limit.value)} (limit: {bound})"


def wrong_answers(facts: Facts) -> str:
    """3 wrong answers of 1,200 that were checked, and what leads on; empty where none was wrong."""
    outside = facts.n_wrong_outside
    also = f", and {outside:,} more in the warm-up or the drain" if outside else ""
    checked = f" of {facts.n_checked:,} that were checked" if facts.n_checked >= facts.n_wrong else ""
    if facts.n_wrong:
        return f"{plural(facts.n_wrong, 'wrong answer')}{checked}{also}; "
    return f"{plural(outside, 'wrong answer')} in the warm-up or the drain; " if outside else ""


def headline(facts: Facts) -> str:
    """12.3 answers and 789 tokens per second, first token in 98 ms (p50) to 213 ms (p99), no failures.

    Of several services: each one's rates and times, and the failures of all.
    """
    parts = facts.parts
    named = [f"{part.service_name} {says}".lstrip() for part in parts if (says := _rates_and_times(part))]
    return ", ".join(part for part in ("; ".join(named), failures(facts)) if part)


def _rates_and_times(facts: Facts) -> str:
    name, words = ("ttft", "first token") if facts.metric("ttft") else ("e2e", "whole answer")
    p50, p99 = (percentile(facts.metric(name), which) for which in ("p50", "p99"))
    times = f"{words} in {ms(p50)} (p50) to {ms(p99)} (p99)" if p99 is not None else ""
    return ", ".join(part for part in (rates(facts), times) if part)


def rates(facts: Facts) -> str:
    """12.3 answers and 789 tokens per second; empty where the window has no length."""
    if facts.is_several:
        return ", ".join(f"{part.service_name} {says}" for part in facts.parts if (says := rates(part)))
    answers, tokens = (facts.summary.get(f"{name}_throughput_per_s") for name in ("request", "output"))
    if not is_known(answers):
        return ""
    with_tokens = f" and {figure(tokens)} tokens" if facts.has_tokens and is_known(tokens) else ""
    return f"{figure(answers)} answers{with_tokens} per second"


def failures(facts: Facts) -> str:
    if not facts.n_failed:
        return "no failures"
    return f"{facts.n_failed:,} of {plural(facts.n_finished, 'request')} failed"


def _reason(facts: Facts) -> str:
    failed = {
        name: n for name, n in (facts.requests.get("by_outcome") or {}).items() if name not in ("ok", "cancelled") and n
    }
    if not failed:
        return ""
    name = max(failed, key=lambda outcome: int(failed[outcome]))
    return f"; mostly: {OUTCOMES.get(name, name)}"


def _cut_off(facts: Facts) -> str:
    """How a run ended that did not end by itself; empty for one that did."""
    if facts.status == COMPLETE:
        return ""
    measured = (facts.summary.get("window") or {}).get("s")
    after = f" after {figure(measured)} s of its window" if is_known(measured) and measured > 0 else ""
    ended = {INTERRUPTED: "the run was stopped by hand", FAILED: "the run failed"}
    counted = ", counted from the requests on disk" if facts.recounted else ""
    return f"{ended.get(facts.status, 'the run was killed or is still going')}{after}; what there is{counted}: "
