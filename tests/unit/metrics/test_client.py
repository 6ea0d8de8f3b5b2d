"""What the load generator says of itself: every reason against it, and what is no reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from made_records import MS, Made, Op, S, block_of, streamed

from loadgen.engine.contract import Strain
from loadgen.metrics import KnownFacts, Tallies
from loadgen.metrics.client import (
    BOUND,
    BUSY,
    CEILING,
    CPU_USED,
    LAG,
    SHARED,
    STARVED,
    STEAL,
    SUSPECT,
    TRUSTED,
    UNKNOWN_REASON,
)
from loadgen.records import Outcome

CHAT = Op("chat", True)
GET = Op("get", False)
WINDOW = (0, 10 * S)
QUIET = Strain(10.0, host_cpu_ratio=0.3, steal_ratio=0.0, starved_ratio=0.01, cpu_limit=2.0)


def facts_of(strain: Strain | None = QUIET, **known: Any) -> KnownFacts:
    usual = {"busy_ratio": 0.2, "cpu_s": 2.0, "stamp": "kernel", "n_clock_steps": 0, "n_lost_records": 0}
    return KnownFacts([WINDOW], **{**usual, **known}, strain=strain)


def strained(**changes: Any) -> Strain:
    return Strain(**{**vars(QUIET), **changes})


def tallies_of(
    made: Sequence[Made], operations: Sequence[Op] = (CHAT,), connections: Sequence[int] | None = None, **columns: Any
) -> Tallies:
    tallies = Tallies(operations, {})
    for job in range(len({operation.service for operation in operations})):
        tallies.set_window(job, *WINDOW)
    block = block_of(list(made))
    block.records["connection"] = range(len(made)) if connections is None else connections
    for name, values in columns.items():
        block.records[name] = values
    tallies.add(block)
    return tallies


def chats(n: int = 40, late_ns: int = 10_000, **fields: Any) -> list[Made]:
    """TTFT is 100 ms and gaps are 10 to 30 ms; each left late_ns after it was due and was read as late."""
    return [streamed(k * 100 * MS, sent=k * 100 * MS + late_ns, read_lag=late_ns, **fields) for k in range(n)]


def client(facts: KnownFacts, tallies: Tallies | None = None, ceiling: dict[str, Any] | None = None) -> dict[str, Any]:
    found = (tallies or tallies_of(chats())).summary(facts, ceiling=ceiling)["client"]
    assert isinstance(found, dict)
    return found


def only_reason(found: dict[str, Any], verdict: str) -> str:
    assert found["verdict"] == verdict, found["reasons"]
    (reason,) = found["reasons"]
    return str(reason)


def test_a_client_that_kept_up_is_trusted_without_a_word() -> None:
    found = client(facts_of())
    assert (found["verdict"], found["reasons"]) == (TRUSTED, [])
    assert (found["cpu_limit"], found["steal_ratio"], found["starved_ratio"]) == (2.0, 0.0, 0.01)
    assert found["p99_own_send_lag_ms"] == 0.01
    assert (found["connection_wait_ratio"], found["shared_stamps_ratio"], found["ceiling"]) == (0.0, 0.0, None)


def test_of_a_killed_run_nothing_is_known() -> None:
    found = client(KnownFacts([WINDOW]))
    assert (found["verdict"], found["reasons"]) == (None, [UNKNOWN_REASON])


@pytest.mark.parametrize(("busy", "verdict"), [(BUSY[0] + 0.01, SUSPECT), (BUSY[1] + 0.02, BOUND)])
def test_a_busy_loop_is_said_with_the_rate_that_kept_it_busy(busy: float, verdict: str) -> None:
    reason = only_reason(client(facts_of(busy_ratio=busy)), verdict)
    assert reason.startswith(f"the loop was busy {100 * busy:.0f} % of the time, at ")
    assert reason.endswith("tokens/s")


def test_a_loop_that_finds_work_in_most_turns_is_not_yet_suspect() -> None:
    assert client(facts_of(busy_ratio=BUSY[0]))["verdict"] == TRUSTED


@pytest.mark.parametrize(("used", "verdict"), [(CPU_USED[0] + 0.01, SUSPECT), (CPU_USED[1] + 0.01, BOUND)])
def test_cpu_counts_against_what_the_process_may_use(used: float, verdict: str) -> None:
    reason = only_reason(client(facts_of(strained(cpu_limit=0.2), cpu_s=10 * 0.2 * used)), verdict)
    assert "of the 0.2 CPUs that it may use" in reason
    assert client(facts_of(strained(cpu_limit=4.0), cpu_s=10 * 0.2 * used))["verdict"] == TRUSTED


@pytest.mark.parametrize(("share", "verdict"), [(LAG[0] / 2, TRUSTED), (LAG[0] + 0.05, SUSPECT), (LAG[1] + 0.1, BOUND)])
def test_requests_that_leave_late_count_by_the_latency_that_is_claimed(share: float, verdict: str) -> None:
    found = client(facts_of(), tallies_of(chats(late_ns=round(share * 100 * MS))))
    assert found["verdict"] == verdict
    assert all("though they were due and had a connection" in reason for reason in found["reasons"])


def test_a_late_send_without_a_late_read_is_a_slow_connect_or_a_slow_upload() -> None:
    late = [streamed(k * 100 * MS, sent=k * 100 * MS + 60 * MS, read_lag=10_000) for k in range(40)]
    found = client(facts_of(), tallies_of(late))
    assert (found["verdict"], found["p99_own_send_lag_ms"]) == (TRUSTED, 60.0)


def test_delays_that_a_cpu_needs_to_wake_up_are_nobodys() -> None:
    fast = [
        Made(k * MS, k * MS, k * MS + 90_000, k * MS + 100_000, done=k * MS + 100_000, read_lag=90_000)
        for k in range(40)
    ]
    assert client(facts_of(), tallies_of(fast, (GET,)))["verdict"] == TRUSTED


def waiting(n: int, late_ns: int) -> list[Made]:
    """All due at once on one connection: each leaves late_ns after the answer before it, which took 100 ms."""
    sent = [k * (100 * MS + late_ns) + late_ns for k in range(n)]
    return [
        Made(k, 0, at, at + 90 * MS, at + 90 * MS, done=at + 100 * MS, read_lag=late_ns) for k, at in enumerate(sent)
    ]


def test_waiting_for_a_connection_is_the_services_slowness() -> None:
    found = client(facts_of(), tallies_of(waiting(40, late_ns=10_000), connections=[0] * 40))
    assert found["verdict"] == TRUSTED
    assert found["p99_send_lag_ms"] > 1000
    assert found["p99_own_send_lag_ms"] == 0.01
    assert found["connection_wait_ratio"] == pytest.approx(39 / 40)


def test_the_wait_is_the_same_whatever_the_blocks() -> None:
    made, tallies = waiting(40, late_ns=MS), Tallies((CHAT,), {})
    tallies.set_window(0, *WINDOW)
    for one in made:
        block = block_of([one])
        block.records["connection"] = 0
        tallies.add(block)
    found, at_once = client(facts_of(), tallies), client(facts_of(), tallies_of(made, connections=[0] * 40))
    for name in ("p99_own_send_lag_ms", "connection_wait_ratio"):
        assert found[name] == at_once[name]
    assert found["p99_own_send_lag_ms"] == 1.0


def test_what_followed_a_request_without_an_end_is_left_out() -> None:
    lost = Made(0, 0, 0, outcome=Outcome.TIMEOUT)
    after = Made(1, 0, 5 * S, 5 * S + MS, done=5 * S + MS)
    found = client(facts_of(), tallies_of([lost, after], (GET,), connections=[0, 0]))
    assert found["p99_own_send_lag_ms"] == 0.0
    assert found["p99_send_lag_ms"] == pytest.approx(5000)


def test_a_batch_is_one_send() -> None:
    batch = [Made(k, 0, MS, (k + 2) * MS, done=(k + 2) * MS) for k in range(4)]
    found = client(facts_of(), tallies_of(batch, (GET,), connections=[0] * 4))
    assert (found["p99_own_send_lag_ms"], found["connection_wait_ratio"]) == (1.0, 0.0)


@pytest.mark.parametrize(("n_shared", "verdict"), [(0, TRUSTED), (1, SUSPECT), (3, BOUND)])
def test_tokens_read_together_lose_their_gaps(n_shared: int, verdict: str) -> None:
    assert SHARED[0] < 1 / 4 < SHARED[1] < 3 / 4
    tallies = tallies_of(chats(), n_shared_stamps=n_shared, read_lag_ns=60 * MS)
    found = client(facts_of(), tallies)
    assert (found["verdict"], found["shared_stamps_ratio"]) == (verdict, n_shared / 4)
    assert all("of the tokens were read together with a later one" in reason for reason in found["reasons"])


def test_tokens_that_the_server_sends_together_are_not_held_against_the_client() -> None:
    tallies = tallies_of(chats(), n_shared_stamps=3, read_lag_ns=5 * MS)
    assert client(facts_of(), tallies)["verdict"] == TRUSTED


@pytest.mark.parametrize(("lag_ns", "verdict"), [(MS, TRUSTED), (8 * MS, SUSPECT), (60 * MS, BOUND)])
def test_without_kernel_stamps_a_late_loop_dates_late(lag_ns: int, verdict: str) -> None:
    strain = strained(loop_lags_ns=np.full(500, lag_ns))
    found = client(facts_of(strain, stamp="read"))
    assert (found["verdict"], found["p99_loop_lag_ms"]) == (verdict, lag_ns / MS)
    assert all("the loop got to what came" in reason for reason in found["reasons"])


@pytest.mark.parametrize(("steal", "verdict"), [(STEAL[0] / 2, TRUSTED), (0.12, SUSPECT), (STEAL[1] + 0.05, BOUND)])
def test_stolen_cpu_moves_even_the_kernels_stamps(steal: float, verdict: str) -> None:
    found = client(facts_of(strained(steal_ratio=steal)))
    assert found["verdict"] == verdict
    assert all("hypervisor" in reason for reason in found["reasons"])


def test_a_host_that_the_server_fills_is_no_fault_of_a_client_that_was_on_time() -> None:
    assert client(facts_of(strained(host_cpu_ratio=1.0, starved_ratio=0.6)))["verdict"] == TRUSTED


def test_a_full_host_explains_a_late_client() -> None:
    found = client(facts_of(strained(host_cpu_ratio=0.99, starved_ratio=0.4)), tallies_of(chats(late_ns=60 * MS)))
    late, starved, full = found["reasons"]
    assert found["verdict"] == BOUND
    assert "requests left 60 ms late" in late
    assert "had no CPU for 40 % of the time" in starved
    assert "99 % in use" in full


@pytest.mark.parametrize(("starved", "verdict"), [(STARVED[0] + 0.05, SUSPECT), (STARVED[1] + 0.05, BOUND)])
def test_where_no_lag_can_be_measured_a_starved_loop_is_judged_by_that(starved: float, verdict: str) -> None:
    reason = only_reason(client(facts_of(strained(starved_ratio=starved), stamp="read")), verdict)
    assert "had no CPU" in reason


def ceiling_of(ratio: float) -> dict[str, Any]:
    """40 chats of 4 tokens in 10 s are this share of it."""
    last_s = (39 * 100 + 161) / 1000
    return {"events_per_s": 160 / last_s / ratio, "requests_per_s": 1e6, "at": "2026-01-31T12:00:00Z"}


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.6, TRUSTED), (CEILING[0] + 0.05, SUSPECT), (CEILING[1] + 0.05, BOUND)]
)
def test_a_rate_near_the_calibrated_ceiling_counts(ratio: float, verdict: str) -> None:
    found = client(facts_of(busy_ratio=0.7), ceiling=ceiling_of(ratio))
    assert (found["verdict"], found["ceiling"]) == (verdict, ceiling_of(ratio))
    assert all("when it was calibrated" in reason for reason in found["reasons"])


def test_requests_have_a_ceiling_of_their_own() -> None:
    ceiling = {"events_per_s": 1e6, "requests_per_s": 10.0, "at": "2026-01-31T12:00:00Z"}
    assert "requests/s" in only_reason(client(facts_of(busy_ratio=0.7), ceiling=ceiling), BOUND)


def test_a_loop_that_waits_half_of_its_time_is_not_at_its_limit() -> None:
    assert client(facts_of(busy_ratio=0.3), ceiling=ceiling_of(1.2))["verdict"] == TRUSTED


def test_a_ceiling_of_streams_says_nothing_of_plain_requests() -> None:
    gets = [Made(k * MS, k * MS, k * MS + MS, done=k * MS + MS) for k in range(40)]
    found = client(facts_of(busy_ratio=0.7), tallies_of(gets, (GET,)), ceiling_of(1.2))
    assert (found["verdict"], found["ceiling"]) == (TRUSTED, None)


def test_a_disk_that_is_hardly_fast_enough_is_suspect_before_anything_is_lost() -> None:
    reason = only_reason(client(facts_of(strained(backlog_ratio=0.9))), SUSPECT)
    assert "records waited for the disk in 90 % of the room there is" in reason
    assert client(facts_of(strained(backlog_ratio=0.5)))["verdict"] == TRUSTED


@pytest.mark.parametrize(("n_lost", "verdict"), [(1, SUSPECT), (1000, BOUND)])
def test_lost_records_leave_the_figures_of_a_part(n_lost: int, verdict: str) -> None:
    tallies = tallies_of(chats(2000, outcome=Outcome.OK))
    assert f"{n_lost:,} requests are in no figure" in only_reason(
        client(facts_of(n_lost_records=n_lost), tallies), verdict
    )


def test_a_clock_that_was_set_matters_where_the_kernel_dates() -> None:
    assert "the wall clock was set 2 times" in only_reason(client(facts_of(n_clock_steps=2)), SUSPECT)
    assert client(facts_of(n_clock_steps=2, stamp="read"))["verdict"] == TRUSTED


def test_shares_of_a_moment_are_not_judged() -> None:
    moment = strained(elapsed_s=0.1, steal_ratio=0.5, cpu_limit=0.2)
    assert client(facts_of(moment, busy_ratio=0.99))["verdict"] == TRUSTED


def test_each_of_several_services_is_named_where_it_is_late() -> None:
    on_time, late = chats(20), chats(20, late_ns=60 * MS, operation=1)
    tallies = tallies_of([*on_time, *late], (CHAT._replace(service="fast"), CHAT._replace(service="slow")))
    facts = KnownFacts([WINDOW, WINDOW], 0.2, 2.0, "kernel", 0, 0, QUIET)
    assert only_reason(client(facts, tallies), BOUND).startswith("slow: requests left 60 ms late")
