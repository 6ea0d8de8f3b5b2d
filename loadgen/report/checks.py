"""Whether what came back was right: answers that were checked, what was looked at after the run, recall."""

from collections.abc import Iterator, Mapping
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.numbers import count, percent
from loadgen.report.words import cell, one_line, table

TITLE = "## Was what came back right?"


def checks_section(facts: Facts) -> list[str]:
    """Counts, findings, examples of what was wrong, and recall; empty where nothing was checked."""
    rows = [row for part in facts.parts for row in _rows(part)]
    if not rows:
        return []
    said = [*_all_right(facts), *table(("what", "figure"), rows)]
    for lines in (_findings(facts), _examples(facts)):
        said += ["", *lines] if lines else []
    return [TITLE, "", *said]


def _all_right(facts: Facts) -> list[str]:
    if facts.n_wrong or facts.n_wrong_outside or not facts.n_checked:
        return []
    return [f"All {count(facts.n_checked)} that were checked were right.", ""]


def _rows(facts: Facts) -> Iterator[tuple[str, str]]:
    whose = f"{facts.service_name}: " if facts.service_name else ""
    if facts.n_checked or facts.n_wrong:
        yield f"{whose}checked", count(facts.n_checked)
        yield f"{whose}wrong", count(facts.n_wrong)
    if facts.n_wrong_outside:
        yield f"{whose}wrong in the warm-up or the drain, not counted", count(facts.n_wrong_outside)
    recall = facts.summary.get("recall")
    if recall:
        yield f"{whose}recall, the mean of {count(recall.get('n'))} searches", percent(recall.get("mean"))
        yield f"{whose}recall that 1 of 20 searches did not exceed", percent(recall.get("p5"))
        yield f"{whose}recall that 1 of 100 searches did not exceed", percent(recall.get("p1"))
        yield f"{whose}lowest recall of a search", percent(recall.get("min"))


def _findings(facts: Facts) -> list[str]:
    """What was looked at after the run, a line each, those that found something wrong first."""
    found = [(part, finding) for part in facts.parts for finding in part.summary.get("findings") or ()]
    found.sort(key=lambda one: not one[1].get("wrong"))
    return [f"- {finding_text(part.service_name, finding)}" for part, finding in found]


def finding_text(service: str, finding: Mapping[str, Any]) -> str:
    whose = f"{service}: " if service else ""
    mark = "**wrong:** " if finding.get("wrong") else ""
    return f"{whose}{mark}{cell(finding.get('text') or finding.get('name'))}"


def _examples(facts: Facts) -> list[str]:
    found = [(part, example) for part in facts.parts for example in part.summary.get("wrong_examples") or ()]
    if not found:
        return []
    rows = [f"- {cell(example_text(part.service_name, example))}" for part, example in found]
    return ["The first wrong answers, by their index in requests.jsonl:", "", *rows]


def example_text(service: str, example: Mapping[str, Any]) -> str:
    """1234, cache get: version 3, though 7 was acknowledged before."""
    what = " ".join(part for part in (service, str(example.get("operation") or "")) if part)
    return f"{example.get('index')}, {what}: {one_line(example.get('error') or 'wrong')}"
