"""The same on a terminal: progress, rates and percentiles so far, redrawn four times a second."""

import os
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadgen.bundle import Bundle
from loadgen.cli.pace import Meter, Pace
from loadgen.cli.view import STOPPING, View, fill_line, latencies_of, loads_of
from loadgen.engine.contract import Live
from loadgen.metrics import Snapshot, Tallies
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe

REDRAWS_PER_S = 4
BAR_WIDTH = 40
SHOW_CURSOR = b"\x1b[?25h"


class Screen(View):
    """rich redraws from a thread of its own, which only reads counters."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, highlight=False)
        self._display: Display | None = None

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def filling(self, what: str, n_done: int, n_in_all: int) -> None:
        """A line that is drawn over until all is there."""
        if self._display is None:
            self._display = Display(console=self._console, auto_refresh=False, transient=True)
            self._display.start()
        self._display.update(Text(fill_line(what, n_done, n_in_all)), refresh=True)
        if n_done >= n_in_all:
            self.close()
            self.say(fill_line(what, n_done, n_in_all))

    def running(self, bundle_id: str, recipe: Recipe, plans: Sequence[Plan], live: Live, tally: Tallies) -> None:
        self.close()
        title = f"{self._where or loads_of(recipe)}  {bundle_id}"
        meter = Meter(plans, live)
        self._display = Display(
            get_renderable=lambda: self._drawn(title, meter, live, tally),
            console=self._console,
            refresh_per_second=REDRAWS_PER_S,
            transient=True,
        )
        self._display.start()

    def ran(self, bundle: Bundle) -> None:
        self.close()
        super().ran(bundle)

    def close(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def stopping(self) -> None:
        """The next redraw says it."""
        if self._display is None:
            super().stopping()

    def _drawn(self, title: str, meter: Meter, live: Live, tally: Tallies) -> RenderableType:
        pace = meter.read()
        snapshot = tally.snapshot()
        figures = _figures(pace, live, snapshot.n_wrong)
        lines: list[RenderableType] = [Text(title, style="bold"), _bar(pace), figures, _latencies(snapshot)]
        if self.stop_asked:
            lines.append(Text(STOPPING, style="yellow"))
        return Group(*lines)


def restore_terminal() -> None:
    """Before this process ends at once."""
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, SHOW_CURSOR + b"\n")


def _bar(pace: Pace) -> RenderableType:
    left = f"{pace.left_s:.0f} s left" if pace.left_s is not None else ""
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=pace.done_ratio or 0.0, width=BAR_WIDTH)
    grid.add_row(bar, f"{pace.elapsed_s:.0f} s", left, pace.stage)
    return grid


def _figures(pace: Pace, live: Live, n_wrong: int) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    failed = Text(f"{pace.errors_per_s:,.1f} errors/s ({live.n_failed:,})", style="red" if live.n_failed else "")
    waiting = f", {live.n_waiting:,} waiting" if live.n_waiting else ""
    grid.add_row(
        f"{pace.requests_per_s:,.1f} requests/s ({live.n_succeeded:,})",
        *([f"{pace.tokens_per_s:,.0f} tokens/s"] if live.n_tokens else []),
        failed,
        *([Text(f"{n_wrong:,} wrong", style="red")] if n_wrong else []),
        f"{live.n_in_flight:,} in flight{waiting}",
    )
    return grid


def _latencies(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    cells = [f"{name} p50 {p50} ms, p99 {p99} ms" for name, p50, p99 in latencies_of(snapshot)]
    grid.add_row(*(cells or ["no answer in the window so far"]))
    return grid
