"""Lines of monitor/server.jsonl, and what is wrong with some."""

import json
from pathlib import Path

import pytest
from made_runs import finished_data, with_hashes

from loadgen.bundle import Bundle, verify
from loadgen.bundle.monitor import Sample, parse_sample, read_samples, sample_line


@pytest.mark.parametrize("service", ["", "cache"])
def test_a_sample_comes_back_from_its_line(service: str) -> None:
    values = {"used_memory_bytes": 2**40, "hit_ratio": 0.25, "role": "master"}
    raw = sample_line(5, values, service)
    assert raw.endswith(b"\n")
    assert parse_sample(raw) == Sample(5, values, service)
    assert ("service" in json.loads(raw)) == bool(service)


def test_without_a_file_there_are_no_samples(tmp_path: Path) -> None:
    assert read_samples(tmp_path / "server.jsonl") == ()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "at_ns: must be an integer >= 0, got None"),
        (b'{"at_ns": -1}', "at_ns: must be an integer >= 0, got -1"),
        (b'{"at_ns": 1, "service": 5}', "service: must be a string, got 5"),
        (b'{"at_ns": 1}', "at_ns: before that of the line before"),
    ],
)
def test_a_line_that_is_no_sample_is_named_and_left_out(tmp_path: Path, raw: bytes, fault: str) -> None:
    bundle = finished_data(tmp_path)
    with (bundle.folder / "monitor" / "server.jsonl").open("ab") as file:
        file.write(raw + b"\n")
    bundle = with_hashes(bundle)
    assert verify(bundle) == [f"monitor/server.jsonl:4: {fault}"]
    assert [sample.values["commands"] for sample in bundle.server_samples if sample.values] == [100, 150, 200]


def test_samples_of_different_services_need_not_be_in_order(tmp_path: Path) -> None:
    bundle = finished_data(tmp_path)
    with (bundle.folder / "monitor" / "server.jsonl").open("ab") as file:
        file.write(sample_line(1, {"pages": 1}, "web"))
    assert verify(with_hashes(Bundle(bundle.folder))) == []
