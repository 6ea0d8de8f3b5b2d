"""What a sweep's page says first."""

from collections.abc import Mapping
from typing import Any

from loadgen.report.capacity import has_limits
from loadgen.report.facts import COMPLETE
from loadgen.report.points import Point, Sweep
from loadgen.report.slos import FAIL, UNDECIDED
from loadgen.report.verdict import NO_SLO


def sweep_word(sweep: Sweep, report: Mapping[str, Any]) -> str:
    """PASS: a load holds all limits; UNDECIDED: none does, and none of the lowest load's is broken; FAIL; NO SLO."""
    if not has_limits(sweep):
        return NO_SLO
    if report.get("slo_limit"):
        return "PASS"
    return UNDECIDED if was_undecided(sweep.points[0]) else FAIL


def was_undecided(point: Point) -> bool:
    verdicts = {limit.verdict for limit in point.facts.limits}
    return point.facts.status == COMPLETE and UNDECIDED in verdicts and FAIL not in verdicts
