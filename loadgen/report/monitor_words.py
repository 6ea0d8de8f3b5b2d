"""What was watched beside the load, in words: the host, its cards, the server's queue, the load generator; its cost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.numbers import UNKNOWN, figure, is_known, ms, percent, plain
from loadgen.report.words import cell, table

Row = tuple[str, str, str]
Shown = Callable[[Any], str]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(n_bytes: Any) -> str:
    """1536 -> 1.5 KiB."""
    if not is_known(n_bytes):
        return UNKNOWN
    value, unit = float(n_bytes), 0
    while abs(value) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{plain(value)} {UNITS[unit]}"


def _speed(bytes_per_s: Any) -> str:
    return f"{size(bytes_per_s)}/s" if is_known(bytes_per_s) else UNKNOWN


def _watts(power_w: Any) -> str:
    return f"{figure(power_w)} W" if is_known(power_w) else UNKNOWN


HOST: dict[str, tuple[str, Shown]] = {
    "cpu_ratio": ("CPU of this host in use", percent),
    "busiest_core_ratio": ("its busiest core", percent),
    "steal_ratio": ("CPU that other guests of the hypervisor took", percent),
    "memory_used_bytes": ("memory in use", size),
    "swap_used_bytes": ("swap in use", size),
    "network_received_bytes_per_s": ("received from the network", _speed),
    "network_sent_bytes_per_s": ("sent to the network", _speed),
    "loopback_bytes_per_s": ("passed within this host", _speed),
    "disk_read_bytes_per_s": ("read from disks", _speed),
    "disk_written_bytes_per_s": ("written to disks", _speed),
}
CARD: dict[str, tuple[str, Shown]] = {
    "utilisation_ratio": ("busy", percent),
    "memory_used_bytes": ("memory in use", size),
    "sm_clock_mhz": ("clock, MHz", figure),
    "temperature_c": ("temperature, °C", figure),
}
SERVER: dict[str, tuple[str, Shown]] = {
    "running": ("requests that the server works on", plain),
    "waiting": ("requests that wait in the server's queue", plain),
    "kv_cache_ratio": ("key-value cache in use", percent),
    "cache_hit_ratio": ("prompts found in its cache", percent),
}
CLIENT: dict[str, tuple[str, Shown]] = {
    "cpu_ratio": ("CPU of the load generator, of one core", percent),
    "rss_bytes": ("memory of the load generator", size),
    "pump_lag_ms": ("age of its counters", ms),
}
NOT_SHOWN_AT_0 = ("swap_used_bytes", "steal_ratio", "network_received_bytes_per_s", "network_sent_bytes_per_s")


def monitor_section(facts: Facts) -> list[str]:
    """Empty where nothing was watched and nothing costs."""
    monitor, cost = facts.summary.get("monitor") or {}, facts.summary.get("cost") or {}
    rows = list(_rows(monitor))
    costs = [*energy_rows(monitor.get("energy") or {}), *cost_rows(cost)]
    said = [f"- {cell(line)}" for line in monitor_lines(monitor)]
    if not rows and not costs:
        return []
    tables = [table(("in the window", "mean", "most"), rows)] if rows else []
    tables += [said] if said else []
    tables += [table(("energy and money", "figure"), costs)] if costs else []
    return ["## Beside the load", *(line for lines in tables for line in ("", *lines))]


def _rows(monitor: Mapping[str, Any]) -> Iterator[Row]:
    yield from _figure_rows(monitor.get("host") or {}, HOST, "")
    for card in monitor.get("gpus") or ():
        yield from _card_rows(card)
    for name, figures in servers_of(monitor.get("server") or {}).items():
        yield from _figure_rows(figures, SERVER, f"{name}: " if name else "")
    yield from _figure_rows(monitor.get("client") or {}, CLIENT, "")


def servers_of(server: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """summary.json's monitor.server: by service; "" where there is one."""
    is_one = any(is_known(value) or (isinstance(value, Mapping) and "mean" in value) for value in server.values())
    return {"": server} if is_one else server


def _figure_rows(figures: Mapping[str, Any], words: Mapping[str, tuple[str, Shown]], before: str) -> Iterator[Row]:
    for name, (text, shown) in words.items():
        known = figures.get(name)
        if isinstance(known, Mapping) and not (name in NOT_SHOWN_AT_0 and not known.get("max")):
            yield f"{before}{text}", shown(known.get("mean")), shown(known.get("max"))


def _card_rows(card: Mapping[str, Any]) -> Iterator[Row]:
    name = card_name(card)
    if is_known(card.get("mean_power_w")):
        yield f"{name}: power", _watts(card["mean_power_w"]), _watts(card.get("max_power_w"))
    yield from _figure_rows(card, CARD, f"{name}: ")


def card_name(card: Mapping[str, Any]) -> str:
    return f"GPU {card.get('gpu')}{', ' + str(card['name']) if card.get('name') else ''}"


def monitor_lines(monitor: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know before they trust the rest, a sentence each."""
    for card in monitor.get("gpus") or ():
        for reason, share in (card.get("throttled") or {}).items():
            yield f"{card_name(card)}: held back by its {reason} in {percent(share)} of the time."
    for name, figures in servers_of(monitor.get("server") or {}).items():
        whose = f"{name}: " if name else ""
        if figures.get("preemptions"):
            yield f"{whose}The server ran out of cache and put requests back {plain(figures['preemptions'])} times."
        hits = figures.get("prefix_cache_hit_ratio")
        if is_known(hits):
            yield f"{whose}{percent(hits)} of the prompts' tokens were in its prefix cache."


def energy_rows(energy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of all cards together."""
    rows = [
        ("power of the cards", _watts(energy.get("mean_power_w"))),
        ("energy of the window", _with_unit(energy.get("energy_j"), "J")),
        ("energy of an output token", _with_unit(energy.get("joules_per_output_token"), "J")),
        ("energy of an answer", _with_unit(energy.get("joules_per_request"), "J")),
    ]
    return [row for row in rows if row[1] != UNKNOWN]


def cost_rows(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit = str(cost.get("currency") or "")
    rows = [
        (f"at {plain(cost.get('per_hour'))} {unit} an hour, the window", _with_unit(cost.get("of_window"), unit)),
        ("1,000 answers", _with_unit(cost.get("per_1000_requests"), unit)),
        ("a million output tokens", _with_unit(cost.get("per_million_output_tokens"), unit)),
        ("a million tokens, prompts included", _with_unit(cost.get("per_million_tokens"), unit)),
    ]
    return [row for row in rows if row[1] != UNKNOWN]


def _with_unit(value: Any, unit: str) -> str:
    return f"{figure(value)} {unit}" if is_known(value) else UNKNOWN
