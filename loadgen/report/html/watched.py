"""What was watched beside the load, on the run's own clock: host, graphics cards, servers, and the load generator."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from loadgen.bundle.layout import MONITOR_FOLDER
from loadgen.bundle.monitor import Sample, read_samples
from loadgen.report.facts import Facts
from loadgen.report.html.figures import N_COLOURS, Figure, Line, Panel, from_zero, known, short
from loadgen.report.html.run_course import clock, outside, unnamed
from loadgen.report.numbers import is_known
from loadgen.report.server_words import NO_COUNTERS
from loadgen.report.words import shortened
from loadgen.units import NS_PER_S

MOST_POINTS = 400
MOST_OF_A_SERVER = 8
"""Panels of what a server says; all of it is in the bundle."""

GB, MB = 1e-9, 1e-6

TELLING = re.compile(
    r"waiting|running|queue|pending|cache_usage|kv_cache|in_flight|active|connect|client|ops|generation_tokens|hit|mem|cpu",
    re.I,
)
"""Names of figures that mostly say why a server is slow; they are drawn first."""


class Drawn(NamedTuple):
    """A panel: what its axis is; which figures, by their names in the file, in words; what they are multiplied by."""

    label: str
    names: Mapping[str, str]
    factor: float = 1.0


HOST = (
    Drawn(
        "CPU, %",
        {"busiest_core_ratio": "busiest core", "cpu_ratio": "all cores", "steal_ratio": "taken by the hypervisor"},
        100,
    ),
    Drawn("memory used, GB", {"memory_used_bytes": ""}, GB),
    Drawn(
        "network, MB/s",
        {
            "network_received_bytes_per_s": "received",
            "network_sent_bytes_per_s": "sent",
            "loopback_bytes_per_s": "within the host",
        },
        MB,
    ),
)

CLIENT = (
    Drawn("CPU, % of one core", {"cpu_ratio": ""}, 100),
    Drawn("requests waiting to be sent", {"n_waiting": ""}),
    Drawn("age of the engine's counters, ms", {"pump_lag_ms": ""}),
    Drawn("memory, MB", {"rss_bytes": ""}, MB),
)

CARD = (
    Drawn("utilisation, %", {"utilisation_ratio": ""}, 100),
    Drawn("power, W", {"power_w": ""}),
    Drawn("memory used, GB", {"memory_used_bytes": ""}, GB),
    Drawn("temperature, °C", {"temperature_c": ""}),
)


def watched_figures(facts: Facts, folder: Path, ends_s: float) -> list[Figure]:
    """folder: the bundle's. What there is no file of is left out."""
    samples = {
        name: read_samples(folder / MONITOR_FOLDER / f"{name}.jsonl") for name in ("host", "gpu", "server", "client")
    }
    zones = outside(facts.parts[0], ends_s)
    made = [
        _of_one("host", "The host that loadgen ran on", samples["host"], HOST),
        _of_cards(samples["gpu"]),
        *(_of_server(part, samples["server"]) for part in facts.parts),
        _of_one("client", "The load generator", samples["client"], CLIENT),
    ]
    figures = []
    for key, title, says, panels in filter(None, made):
        shaded = [zones, *([unnamed(zones)] * (len(panels) - 1))]
        marked = [
            Panel(panel.y, [*own, *panel.marks], panel.height_px) for panel, own in zip(panels, shaded, strict=True)
        ]
        figures.append(Figure(f"watched-{key}", title, says, clock(ends_s), marked, in_time=True))
    return figures


Made = tuple[str, str, str, list[Panel]] | None


def _of_one(key: str, title: str, samples: Sequence[Sample], drawn: Iterable[Drawn]) -> Made:
    panels: list[Panel] = []
    for one in drawn:
        lines = _lines(one, samples, sum(len(panel.marks) for panel in panels))
        if any(_values(lines)):
            panels.append(Panel(from_zero(one.label, _values(lines)), lines, 100))
    return (key, title, "", panels) if panels else None


def _of_cards(samples: Sequence[Sample]) -> Made:
    """A line a card."""
    cards = {card: [sample for sample in samples if sample.values.get("gpu") == card] for card in _cards(samples)}
    panels = []
    for one in CARD:
        lines = [
            line
            for place, (card, own) in enumerate(cards.items())
            for line in _lines(one, own, place % N_COLOURS, f"card {card}" if len(cards) > 1 else "")
        ]
        if lines:
            panels.append(Panel(from_zero(one.label, _values(lines)), lines, 100))
    names = dict.fromkeys(str(sample.values["name"]) for sample in samples if sample.values.get("name"))
    return ("gpu", "Graphics cards", ", ".join(names), panels) if panels else None


def _cards(samples: Sequence[Sample]) -> list[int]:
    return sorted({sample.values["gpu"] for sample in samples if isinstance(sample.values.get("gpu"), int)})


def _lines(one: Drawn, samples: Sequence[Sample], colour: int = 0, name: str = "") -> list[Line]:
    """Those that have two values at least; a second one of a panel only where it is ever above 0."""
    lines: list[Line] = []
    for key, words in one.names.items():
        pairs = [
            (sample.at_ns, sample.values[key] * one.factor) for sample in samples if is_known(sample.values.get(key))
        ]
        if len(pairs) > 1 and (not lines or any(value for _, value in pairs)):
            lines.append(_line(pairs, name or words, (colour + len(lines)) % N_COLOURS))
    return lines


def _line(pairs: Sequence[tuple[int, float]], name: str, colour: int) -> Line:
    kept = pairs[:: math.ceil(len(pairs) / MOST_POINTS)]
    return Line([short(at_ns / NS_PER_S, 6) for at_ns, _ in kept], [short(value) for _, value in kept], name, colour)


def _values(lines: Iterable[Line]) -> list[float]:
    return [value for line in lines for value in known(line.y)]


def _of_server(part: Facts, samples: Sequence[Sample]) -> Made:
    """What changed in the course of the run: what only grows as a rate, the rest as it is."""
    own = [sample for sample in samples if sample.service == part.service_name]
    series = sorted(_series_of(own), key=lambda one: TELLING.search(one[0]) is None)
    panels = [
        Panel(
            from_zero(shortened(f"{name}{' per second' if is_rate else ''}", 76), [value for _, value in pairs]),
            [_line(pairs, "", 2)],
            90,
        )
        for name, is_rate, pairs in series[:MOST_OF_A_SERVER]
    ]
    if not panels:
        return None
    left_out = len(series) - len(panels)
    says = f"{left_out} more figures changed: monitor/server.jsonl has all." if left_out else ""
    whose = f" {part.service_name}" if part.service_name else ""
    return f"server{whose.replace(' ', '-')}", f"What the server{whose} says of itself", says, panels


def _series_of(samples: Sequence[Sample]) -> list[tuple[str, bool, list[tuple[int, float]]]]:
    """(name, whether it is drawn as a rate, (instant, value) each), in the server's order; of what changes."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    found = []
    for name in names:
        pairs = [(sample.at_ns, float(sample.values[name])) for sample in samples if is_known(sample.values.get(name))]
        if len(pairs) < 3 or len({value for _, value in pairs}) < 2:
            continue
        is_rate = not name.endswith(NO_COUNTERS) and all(
            later >= earlier for (_, earlier), (_, later) in pairwise(pairs)
        )
        found.append((name, is_rate, _rates(pairs) if is_rate else pairs))
    return [one for one in found if len(one[2]) > 1]


def _rates(pairs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Per second, dated at the later of each two looks."""
    return [
        (late, (after - before) * NS_PER_S / (late - early))
        for (early, before), (late, after) in pairwise(pairs)
        if late > early
    ]
