"""What a person sees of a run while it goes on, where stderr is no terminal: a line every few seconds."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from loadgen.bundle import Bundle
from loadgen.cli.pace import Meter, Pace
from loadgen.engine.contract import Live
from loadgen.metrics import Snapshot, Tallies
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe
from loadgen.report.facts import facts_of
from loadgen.report.numbers import figure
from loadgen.report.verdict import headline, verdict_of
from loadgen.report.words import load_of, load_phrase
from loadgen.run import Watch
from loadgen.units import ms_from_ns

LINE_EVERY_S = 5.0
LATENCIES = ("ttft", "itl", "e2e")
STOPPING = "stopping: what was measured is kept. Ctrl-C again stops at once"


class View(Watch):
    """Says notes and what each point of a sweep came to. quiet: says nothing."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__()
        self.quiet = quiet
        self._said: set[str] = set()
        self._where = ""
        self._filled_with = ""
        self._say_fill_at_s = 0.0

    def say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def noted(self, line: str) -> None:
        """Each note once: the points of a sweep mostly have the same ones."""
        if line not in self._said:
            self._said.add(line)
            self.say(f"note: {line}")

    def preparing(self, recipe: Recipe, sweep: dict[str, Any] | None) -> None:
        self._where = f"{_number(sweep)} {load_phrase(sweep['axes'])}" if sweep else ""
        if sweep is None or sweep["point"] == 0:
            self.say(f"{recipe.name}: looking for the service, {described(recipe)}")

    def filling(self, what: str, n_done: int, n_in_all: int) -> None:
        """What is brought in before the load: when it begins, every few seconds, and when all is there."""
        began = what != self._filled_with
        now_s = time.monotonic()
        if began or n_done >= n_in_all or now_s >= self._say_fill_at_s:
            self._filled_with, self._say_fill_at_s = what, now_s + LINE_EVERY_S
            self.say(fill_line(what, n_done, n_in_all))

    def running(self, bundle_id: str, recipe: Recipe, plans: Sequence[Plan], live: Live, tally: Tallies) -> None:
        self._filled_with = ""
        self.say(f"{self._where or loads_of(recipe)}: {bundle_id} begins, {lengths_of(plans)}")

    def ran(self, bundle: Bundle) -> None:
        if self._where:
            facts = facts_of(bundle)
            self.say(f"{self._where}: {verdict_of(facts).value}, {headline(facts) or 'nothing finished'}")

    def reporting(self) -> None:
        self.say("drawing the report")

    def stopping(self) -> None:
        """Called from a signal handler: nothing here may wait for a lock."""
        if not self.quiet:
            os.write(2, f"{STOPPING}\n".encode())

    def close(self) -> None:
        """Nothing more is shown."""


def _number(sweep: dict[str, Any]) -> str:
    """[2/6]; of a search, whose length is not known, [2]."""
    n_points = sweep["n_points"]
    return f"[{sweep['point'] + 1}/{n_points}]" if n_points else f"[{sweep['point'] + 1}]"


class Lines(View):
    """For a log file: one line every few seconds, from a thread of its own that only reads counters."""

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def running(self, bundle_id: str, recipe: Recipe, plans: Sequence[Plan], live: Live, tally: Tallies) -> None:
        super().running(bundle_id, recipe, plans, live, tally)
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._tell, args=(Meter(plans, live), live, tally, self._over), daemon=True
        )
        self._thread.start()

    def ran(self, bundle: Bundle) -> None:
        self.close()
        super().ran(bundle)

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _tell(self, meter: Meter, live: Live, tally: Tallies, over: threading.Event) -> None:
        while not over.wait(LINE_EVERY_S):
            self.say(progress_line(meter.read(), live, tally))


def fill_line(what: str, n_done: int, n_in_all: int) -> str:
    """putting 1,000 documents: 250 of 1,000"""
    return f"{what}: {n_done:,} of {n_in_all:,}" if n_in_all else what


def progress_line(pace: Pace, live: Live, tally: Tallies) -> str:
    """12 s, 8 s left: 30.1 requests/s, 963 tokens/s, 0 failed, 4 in flight, ttft 61 / 75 ms"""
    left = f", {pace.left_s:.0f} s left" if pace.left_s is not None else ""
    waiting = f", {live.n_waiting} waiting" if live.n_waiting else ""
    stage = f" ({pace.stage})" if pace.stage else ""
    tokens = f", {pace.tokens_per_s:,.0f} tokens/s" if live.n_tokens else ""
    snapshot = tally.snapshot()
    latencies = "".join(f", {name} {p50} / {p99} ms" for name, p50, p99 in latencies_of(snapshot))
    wrong = f", {snapshot.n_wrong:,} wrong" if snapshot.n_wrong else ""
    return (
        f"{pace.elapsed_s:.0f} s{left}{stage}: {pace.requests_per_s:,.1f} requests/s"
        f"{tokens}, {live.n_failed:,} failed{wrong}, {live.n_in_flight:,} in flight{waiting}{latencies}"
    )


def latencies_of(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """(name, p50, p99) in ms, of those that have values so far."""
    return [
        (name, figure(ms_from_ns(snapshot.p50_ns[name])), figure(ms_from_ns(snapshot.p99_ns[name])))
        for name in LATENCIES
        if name in snapshot.p50_ns and name in snapshot.p99_ns
    ]


def described(recipe: Recipe) -> str:
    """ollama, smollm2; of several services each: chat (ollama, smollm2), vectors (qdrant)"""
    if recipe.services is not None:
        return ", ".join(f"{name} ({described(part)})" for name, part in recipe.parts())
    service = recipe.service
    model = getattr(service, "model", service.kind)
    return service.kind if model == service.kind else recipe.redacted(f"{service.kind}, {model}")


def loads_of(recipe: Recipe) -> str:
    """8 clients; of several services each: chat 8 clients, vectors 200 requests/s (poisson)"""
    words = [f"{name} {load_of(part.canonical())}".strip() for name, part in recipe.parts()]
    return ", ".join(words)


def lengths_of(plans: Sequence[Plan]) -> str:
    """20 s; of services whose windows differ 20 s, 30 s"""
    return ", ".join(dict.fromkeys(length_of(plan) for plan in plans))


def length_of(plan: Plan) -> str:
    """20 s, after 5 s of warm-up; 500 requests"""
    parts = []
    if plan.duration_ns is not None:
        parts.append(f"{plan.duration_ns / 1e9:g} s")
    if plan.requests is not None:
        parts.append(f"{plan.requests:,} requests")
    warmup = f"{plan.warmup_ns / 1e9:g} s" if plan.warmup_ns else ""
    if plan.warmup_requests:
        warmup = f"{plan.warmup_requests} requests"
    return " or ".join(parts) + (f" after {warmup} of warm-up" if warmup else "")
