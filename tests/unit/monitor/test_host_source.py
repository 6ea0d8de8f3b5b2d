"""Shares and rates between two readings of the host's counters."""

import psutil
import pytest

from loadgen.monitor import host
from loadgen.monitor.client import ClientSource
from loadgen.monitor.host import Counters, HostSource, changes, read_counters

RATIOS = ("cpu_ratio", "busiest_core_ratio", "steal_ratio")


def counters(at_s: float, cores: tuple[tuple[float, float, float], ...], **counts: float) -> Counters:
    return Counters(at_s, cores, counts)


def test_shares_are_of_all_cores_and_of_the_busiest() -> None:
    before = counters(10.0, ((100.0, 50.0, 0.0), (200.0, 150.0, 5.0)))
    now = counters(12.0, ((102.0, 50.5, 0.0), (202.0, 151.5, 5.5)))
    changed = changes(before, now)
    assert {name: changed[name] for name in RATIOS} == {
        "cpu_ratio": 0.5,  # of 4 s 2 were idle
        "busiest_core_ratio": 0.75,
        "steal_ratio": 0.125,
    }


def test_rates_are_per_second_and_a_counter_that_fell_has_none() -> None:
    before = counters(10.0, (), network_sent_bytes=1000.0, loopback_bytes=500.0)
    now = counters(12.0, (), network_sent_bytes=3000.0, loopback_bytes=400.0, disk_read_bytes=7.0)
    changed = changes(before, now)
    assert changed["network_sent_bytes_per_s"] == 1000.0
    assert changed["loopback_bytes_per_s"] is None
    assert changed["disk_read_bytes_per_s"] is None


def test_the_first_look_and_one_that_comes_too_soon_have_no_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(
        [
            counters(10.0, ((100.0, 50.0, 0.0),), loopback_bytes=0.0),
            counters(10.1, ((100.1, 50.1, 0.0),), loopback_bytes=0.0),
            counters(11.0, ((101.0, 50.5, 0.0),), loopback_bytes=90.0),
            counters(11.05, ((101.1, 50.5, 0.0),), loopback_bytes=90.0),
        ]
    )
    monkeypatch.setattr(host, "read_counters", lambda: next(readings))
    source = HostSource()
    looks = [source.look()[0].values for _ in range(4)]
    assert [look["cpu_ratio"] for look in looks] == [None, None, 0.5, None]
    assert [look["loopback_bytes_per_s"] for look in looks] == [None, None, 90.0, None]


def test_the_real_host_is_read() -> None:
    reading = read_counters()
    assert len(reading.cores) == psutil.cpu_count()
    assert all(total >= idle >= 0 and stolen >= 0 for total, idle, stolen in reading.cores)
    look = HostSource().look()[0].values
    assert 0 < look["memory_used_bytes"] < look["memory_total_bytes"]
    assert all(value is None or value >= 0 for value in look.values())


def test_loopback_and_parts_of_a_bond_are_told_apart_from_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: "object"
) -> None:
    each = {
        "lo": psutil._ntuples.snetio(100, 100, 0, 0, 0, 0, 0, 0),
        "bond0": psutil._ntuples.snetio(7, 9, 0, 0, 0, 0, 0, 0),
        "eth0": psutil._ntuples.snetio(7, 9, 0, 0, 0, 0, 0, 0),
    }
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: each)
    monkeypatch.setattr(host, "_is_part", lambda name: name == "eth0")
    counts = read_counters().counts
    assert counts["loopback_bytes"] == 100
    assert (counts["network_sent_bytes"], counts["network_received_bytes"]) == (7, 9)


class Live:
    origin_ns = elapsed_ns = 0
    n_in_flight, n_waiting, n_sent, n_finished, n_failed, n_tokens = 3, 1, 10, 7, 2, 70


def test_the_client_is_looked_at_with_its_engines_counters() -> None:
    source = ClientSource(Live())
    look = source.look()[0].values
    assert look["rss_bytes"] > 1_000_000
    assert look["n_threads"] >= 1
    assert (look["n_in_flight"], look["n_waiting"], look["n_tokens"]) == (3, 1, 70)
    assert look["cpu_ratio"] is None
    assert look["pump_lag_ms"] is None  # the run's clock has not begun


def test_how_old_the_counters_are_is_told_once_the_clock_has_begun() -> None:
    live = Live()
    live.origin_ns = 1  # long ago, and not looked at since
    lag_ms = ClientSource(live).look()[0].values["pump_lag_ms"]
    assert lag_ms is not None
    assert lag_ms > 0
