"""Whole runs as a person starts them, and what they leave behind."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 60.0


class Ran(NamedTuple):
    """folder: where results and reports lie; those of the run are the latest there."""

    exit_code: int
    stderr: str
    folder: Path

    @property
    def bundle(self) -> Path:
        return max((self.folder / "results").glob("BM-*"))

    @property
    def run(self) -> Any:
        return json.loads((self.bundle / "run.json").read_text())

    @property
    def summary(self) -> Any:
        return json.loads((self.bundle / "summary.json").read_text())

    @property
    def lines(self) -> list[Any]:
        return lines_of(self.bundle)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(line["outcome"] for line in self.lines)

    @property
    def findings(self) -> list[tuple[str, int, int]]:
        return [(one["name"], one["checked"], one["wrong"]) for one in self.summary["findings"]]


def lines_of(bundle: Path) -> list[Any]:
    """Those that are whole: the last one may be being written."""
    text = (bundle / "requests.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def command(folder: Path, recipe: dict[str, Any]) -> list[str]:
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    places = ["--results", str(folder / "results"), "--reports", str(folder / "reports")]
    return [sys.executable, "-m", "loadgen", "run", str(path), "--quiet", *places]


def run_recipe(folder: Path, recipe: dict[str, Any]) -> Ran:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command(folder, recipe), capture_output=True, text=True, cwd=ROOT, check=False)
    return Ran(done.returncode, done.stderr, folder)


_started: list["subprocess.Popen[bytes]"] = []


def start_recipe(folder: Path, recipe: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """What it says goes to folder/said."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "said").open("wb") as said:
        _started.append(subprocess.Popen(command(folder, recipe), stdout=said, stderr=said, cwd=ROOT))
    return _started[-1]


def end_what_was_started() -> None:
    """Of a test that failed half-way; after others nothing goes on."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()


def loadgen(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadgen", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)


def n_answered(folder: Path, outcome: str = "") -> int:
    """How many requests of the run that goes on have ended: all, or those with that outcome."""
    files = list((folder / "results").glob("BM-*/requests.jsonl"))
    each = f'"outcome":"{outcome}"'.encode() if outcome else b"\n"
    return files[0].read_bytes().count(each) if files else 0


def n_failed(folder: Path) -> int:
    """How many of those did not end well."""
    return sum(line["outcome"] != "ok" for bundle in (folder / "results").glob("BM-*") for line in lines_of(bundle))


def interrupt(running: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C does; what was measured is kept, and checked."""
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
