"""The client's verdict in words, and where they stand."""

from typing import Any

import pytest

from loadgen.metrics.client import UNKNOWN_REASON
from loadgen.report.client_words import client_lines, client_notice, client_section, client_warning, client_words
from loadgen.report.facts import Facts

REASONS = ["the loop was busy 97 % of the time, at 24,000 tokens/s", "a | b"]
BOUND = {"verdict": "bound", "reasons": REASONS, "busy_ratio": 0.97}
TRUSTED = {"verdict": "trusted", "reasons": [], "busy_ratio": 0.2}


def facts_of(client: dict[str, Any]) -> Facts:
    return Facts("BM-20260101-001", {}, {"client": client})


def test_a_client_that_is_not_trusted_is_said_before_the_verdict_with_its_reasons() -> None:
    head, *reasons = client_lines(facts_of(BOUND))
    assert "(bound)" in head
    assert [reason.strip() for reason in reasons] == REASONS


def test_in_markdown_reasons_are_a_list_that_no_bar_breaks() -> None:
    assert client_notice(facts_of(BOUND))[1:] == ["", f"- {REASONS[0]}", "- a \\| b"]


def test_a_trusted_client_is_said_beside_its_figures_only() -> None:
    facts = facts_of(TRUSTED)
    assert client_lines(facts) == client_notice(facts) == client_warning(TRUSTED) == []
    assert "(trusted)" in client_words(TRUSTED)[0]
    section = "\n".join(client_section(facts))
    assert "(trusted)" in section
    assert "20 %" in section


@pytest.mark.parametrize("client", [{}, {"verdict": None, "reasons": ["not known"]}])
def test_nothing_is_said_where_nothing_is_known(client: dict[str, Any]) -> None:
    facts = facts_of(client)
    assert client_lines(facts) == client_notice(facts) == client_section(facts) == []


def test_figures_of_a_run_from_before_the_verdict_are_still_shown() -> None:
    section = "\n".join(client_section(facts_of({"verdict": None, "reasons": [], "busy_ratio": 0.97})))
    assert "97 %" in section
    assert "bound" not in section


def test_of_a_killed_run_the_page_says_why_there_is_no_verdict() -> None:
    killed = {"verdict": None, "reasons": [UNKNOWN_REASON], "p99_send_lag_ms": 0.1}
    assert client_section(facts_of(killed))[2] == f"Whether it kept up is {UNKNOWN_REASON}."
    assert client_lines(facts_of(killed)) == []


def test_the_ceiling_is_said_with_its_date() -> None:
    ceiling = {"events_per_s": 250_000.0, "requests_per_s": None, "at": "2026-01-31T12:00:00Z"}
    section = client_section(facts_of({**TRUSTED, "ceiling": ceiling}))
    assert section[-1] == "By its calibration of 2026-01-31T12:00:00Z this host can drive 250,000 tokens a second."
