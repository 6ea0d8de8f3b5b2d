"""`loadgen slo ID… "p99_ttft < 300 ms"…`: finished runs held against other promises, from their requests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loadgen.bundle import Bundle
from loadgen.cli.kept import bundles_of
from loadgen.errors import RecipeError
from loadgen.metrics.recalculate import recalculate
from loadgen.recipe.slo import parse_slo
from loadgen.report.facts import COMPLETE, Facts
from loadgen.report.slos import FAIL, PASS, UNDECIDED, Limit
from loadgen.report.text import aligned
from loadgen.report.words import load_of, plural, status_of

BROKEN = 1

_IS_PROMISE = re.compile(r"[<>]")


@dataclass(frozen=True)
class OtherPromises:
    """A bundle as if its recipe had had these SLOs."""

    bundle: Bundle
    slos: Sequence[str]

    @property
    def run(self) -> Mapping[str, Any]:
        return {**self.bundle.run, "recipe": {**self.bundle.run["recipe"], "slo": list(self.slos)}}

    @property
    def operations(self) -> Any:
        return self.bundle.operations

    def blocks(self) -> Any:
        return self.bundle.blocks()


def hold_runs(words: tuple[str, ...], as_json: bool, results: Path, reports: Path) -> int:
    """0 unless a promise is broken; of several runs: unless each of them breaks one."""
    which = [word for word in words if not _IS_PROMISE.search(word)]
    slos = [_checked(word) for word in words if _IS_PROMISE.search(word)]
    if not which or not slos:
        raise RecipeError('slo: needs runs and promises, such as latest "p99_ttft < 300 ms"')
    judged = [held_against(bundle, slos) for bundle in bundles_of(which, results, reports)]
    if as_json:
        for facts in judged:
            print(orjson.dumps({"benchmark_id": facts.benchmark_id, "slo": facts.summary["slo"]}).decode())
    else:
        print("\n".join(_lines(judged)))
    return BROKEN if all(_word(facts) == FAIL for facts in judged) else 0


def _checked(text: str) -> str:
    try:
        return parse_slo(text).expression
    except ValueError as error:
        raise RecipeError(f"slo: {error}") from None


def held_against(bundle: Bundle, slos: Sequence[str]) -> Facts:
    """The run with its figures counted anew and these SLOs judged. Raises RecipeError where none is about it."""
    if not isinstance(bundle.run.get("recipe"), Mapping):
        raise RecipeError(f"{bundle.id}: its run.json has no recipe")
    facts = Facts(bundle.id, bundle.run, recalculate(OtherPromises(bundle, slos))[1], recounted=True)
    if not facts.limits or not facts.summary.get("slo"):
        raise RecipeError(f"{bundle.id}: none of these promises is about what it measured: {'; '.join(slos)}")
    return facts


def _lines(judged: Sequence[Facts]) -> Iterator[str]:
    for facts in judged:
        cut_off = "" if facts.status == COMPLETE else f", {status_of(facts.status)}"
        yield f"{facts.benchmark_id}: {facts.name}, {load_of(facts.recipe)}{cut_off}"
        yield from aligned([_row(limit) for limit in facts.limits])
    yield _conclusion(judged)


def _row(limit: Limit) -> tuple[str, ...]:
    measured = "no sample" if limit.value is None else f"measured {limit.measured}"
    return "", limit.verdict or "", limit.stated, measured, limit.wanted


def _word(facts: Facts) -> str:
    """PASS where all hold, FAIL where one is broken, else UNDECIDED."""
    verdicts = {limit.verdict for limit in facts.limits}
    return FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else UNDECIDED


def _conclusion(judged: Sequence[Facts]) -> str:
    words = [_word(facts) for facts in judged]
    if len(judged) == 1:
        says = {PASS: "all promises hold", FAIL: "a promise is broken"}.get(words[0], "more samples are needed")
        return f"{words[0]}: {says} with {judged[0].load}."
    counted = ", ".join(f"{words.count(word)} {word}" for word in (PASS, FAIL, UNDECIDED) if word in words)
    held = [facts.load for facts, word in zip(judged, words, strict=True) if word == PASS]
    whole = PASS if held else FAIL if FAIL in words and set(words) == {FAIL} else UNDECIDED
    where = f"; all hold with {'; '.join(dict.fromkeys(held))}" if held else ""
    return f"{whole}: of {plural(len(judged), 'run')} {counted}{where}."
