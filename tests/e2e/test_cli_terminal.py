"""On a terminal a run is shown live, and Ctrl-C is a key."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import LOADGEN, TIMEOUT_S, environment

RECIPE = """\
service: {kind: simulator, ttft_ms: 5, itl_ms: 1}
workload: {output_tokens: 8, prompts: {input_tokens: 8}}
load: {concurrency: 4, duration_s: 1.5}
slo: [max_ttft < 10 s]
"""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose standard streams are all one pseudo-terminal."""

    def __init__(self, args: list[str], folder: Path) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*LOADGEN, *args],
            cwd=folder,
            env=environment(TERM="xterm-256color", COLUMNS="100", LINES="30"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # makes it the controlling terminal
        )
        os.close(theirs)

    def read_until(self, part: str) -> None:
        """Until the text has been shown, colours and movements aside; `` is the end."""
        ends_at = time.monotonic() + TIMEOUT_S
        while not part or part not in self.plain:
            ready, _, _ = select.select([self._ours], [], [], max(ends_at - time.monotonic(), 0))
            assert ready, self.plain
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # EIO: the other side is closed
                read = b""
            if not read:
                assert not part, self.plain
                return
            self.shown += read.decode("utf-8", "replace")

    @property
    def plain(self) -> str:
        return _ESCAPES.sub("", self.shown)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self) -> int:
        self.read_until("")
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []
    (tmp_path / "r.yaml").write_text(RECIPE)

    def open_terminal(*args: str) -> Terminal:
        opened.append(Terminal(list(args), tmp_path))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_run_is_shown_live_and_ends_with_the_verdict(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("r.yaml")
    shown.read_until("in flight")
    assert shown.end() == 0
    for part in ("requests/s", "tokens/s", "errors/s", "s left", "ttft p50"):
        assert part in shown.plain
    last = shown.plain.replace("\r", "").strip().splitlines()
    assert any(line.startswith("PASS: ") for line in last)
    assert last[-1].startswith("Pictures: ")
    assert shown.shown.count("\x1b[?25l") == shown.shown.count("\x1b[?25h") > 0, "the cursor is hidden"


def test_ctrl_c_key_ends_the_run_in_order(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    shown = terminal("r.yaml", "--set", "load.duration_s=600")
    shown.read_until("ttft p50")
    shown.type(b"\x03")
    assert shown.end() == 130
    assert "stopped by hand" in shown.plain.replace("\r\n", " ")
    assert shown.shown.count("\x1b[?25l") == shown.shown.count("\x1b[?25h") > 0, "the cursor is hidden"
    (bundle,) = (tmp_path / "results").iterdir()
    assert '"status": "interrupted"' in (bundle / "run.json").read_text()


def test_terminal_without_movements_gets_lines(
    terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal("r.yaml", "--quiet")
    assert shown.end() == 0
    assert "\x1b" not in shown.shown
    assert "in flight" not in shown.plain
