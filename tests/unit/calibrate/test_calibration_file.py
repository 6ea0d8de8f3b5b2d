"""The calibration as it is kept, and what a later run finds of it."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from loadgen.bundle.environment import describe_environment
from loadgen.calibrate.kept import Ceiling, Setting, calibration_path, ceiling_for, described, write_calibration
from loadgen.errors import EngineError

NATIVE = Ceiling("native", 1, 250_000.0, 60_000.0, 1000, 0.95)
PORTABLE = Ceiling("portable", 1, 20_000.0, None, None, 0.9)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    content = described([NATIVE, PORTABLE], is_quick=True)
    assert write_calibration(content).parent == tmp_path / "loadgen"
    return content


def test_a_run_finds_the_ceiling_of_its_engine_and_threads(kept: dict[str, Any]) -> None:
    assert ceiling_for(Setting("native", 1)) == {
        "events_per_s": 250_000.0,
        "requests_per_s": 60_000.0,
        "at": kept["at"],
    }
    assert ceiling_for(Setting("portable", 1)) == {"events_per_s": 20_000.0, "requests_per_s": None, "at": kept["at"]}
    assert ceiling_for(Setting("native", 2)) is None


def test_it_belongs_to_the_hardware_that_runs_name(kept: dict[str, Any]) -> None:
    assert kept["hardware_fingerprint"] == describe_environment()["hardware_fingerprint"]
    assert kept["hardware_fingerprint"] in calibration_path(kept["hardware_fingerprint"]).name


def test_a_later_one_takes_its_place_and_leaves_nothing_else(kept: dict[str, Any]) -> None:
    path = write_calibration({**kept, "at": "2030-01-01T00:00:00Z"})
    assert [path] == list(path.parent.iterdir())
    assert (ceiling_for(Setting("native", 1)) or {})["at"] == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b"[]", b"{}", b'{"schema_version": 2}', b'{"schema_version": 1, "ceilings": [{"engine": "native"}]}'],
)
def test_a_file_that_is_none_of_ours_is_as_none(kept: dict[str, Any], broken: bytes) -> None:
    calibration_path(kept["hardware_fingerprint"]).write_bytes(broken)
    assert ceiling_for(Setting("native", 1)) is None


def test_figures_that_are_none_are_as_none(kept: dict[str, Any]) -> None:
    ceilings = [{**one, "events_per_s": "many"} for one in kept["ceilings"]]
    calibration_path(kept["hardware_fingerprint"]).write_bytes(orjson.dumps({**kept, "ceilings": ceilings}))
    assert ceiling_for(Setting("native", 1)) is None


def test_without_a_calibration_there_is_no_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ceiling_for(Setting("native", 1)) is None


def test_a_relative_cache_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG: paths that are not absolute are invalid."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibration_path("f") == tmp_path / ".cache" / "loadgen" / "calibration-f.json"


def test_a_cache_that_cannot_be_written_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="the calibration cannot be kept"):
        write_calibration(described([NATIVE], is_quick=False))
