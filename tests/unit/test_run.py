"""What stands between an engine and the bundle, without either."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from loadgen.metrics import Tallies
from loadgen.plan.model import Operation, Plan
from loadgen.records import ERROR_BYTES, Block, Outcome, Phase, empty_record
from loadgen.run.sinks import RunSink

KEY = "sk-0123456789"


def sink(tmp_path: Path, duration_ns: int | None = None) -> RunSink:
    tallies = Tallies((Operation("chat", expects_tokens=True),), {"": ()})
    plan = Plan(**{**dict.fromkeys(field.name for field in fields(Plan)), "duration_ns": duration_ns})
    redact = lambda text: text.replace(KEY, "***")  # noqa: E731
    return RunSink(tmp_path / "requests.jsonl", "BM-20260101-001", tallies, [plan], redact)


def test_a_secret_that_a_server_repeats_is_hidden_before_it_is_written(tmp_path: Path) -> None:
    records = np.concatenate([empty_record(), empty_record()])
    records["outcome"] = Outcome.CLIENT_ERROR
    records["error"][0] = f"Incorrect API key provided: {KEY}".encode()
    records["error"][1] = b"no such model"
    sink(tmp_path).hide(records)
    assert records["error"].tolist() == [b"Incorrect API key provided: ***", b"no such model"]


def test_a_hidden_text_that_grows_is_cut_between_characters(tmp_path: Path) -> None:
    records = empty_record()
    records["outcome"] = Outcome.CLIENT_ERROR
    records["error"][0] = ("x" + "é" * 53).encode()
    one = sink(tmp_path)
    one.redact = lambda text: "**" + text
    one.hide(records)
    text = records["error"][0]
    assert len(text) <= ERROR_BYTES
    assert text.decode() == "**x" + "é" * 52


def test_the_window_of_the_figures_begins_and_ends_with_the_engine_s(tmp_path: Path) -> None:
    one = sink(tmp_path, duration_ns=50)
    tally = one.tallies.by_service[""]
    one.windows_from_ns = [None]
    assert tally.window_from_ns is None
    one.windows_from_ns[0] = 7
    assert (one.windows_from_ns, tally.window_from_ns, tally.window_end_ns) == ([7], 7, 57)


def test_a_window_that_ends_early_ends_early_for_the_figures(tmp_path: Path) -> None:
    one = sink(tmp_path, duration_ns=50)
    tally = one.tallies.by_service[""]
    one.windows_from_ns = [None]
    one.end_window(0, 20)
    assert tally.window_from_ns is None  # there is none to end yet
    one.windows_from_ns[0] = 7
    one.end_window(0, 20)
    one.windows_from_ns[0] = 7
    assert (tally.window_from_ns, tally.window_end_ns) == (7, 20)


def test_looks_come_after_each_block_that_was_counted(tmp_path: Path) -> None:
    one = sink(tmp_path)
    seen: list[int] = []
    one.looks = lambda: seen.append(one.tallies.n_succeeded)
    records = empty_record()
    records["phase"] = Phase.MEASURE
    for _ in range(2):
        one.take(Block(records, np.zeros(0, np.int64)))
    assert seen == [1, 2]
