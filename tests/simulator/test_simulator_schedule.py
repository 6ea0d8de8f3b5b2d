"""When tokens are due and written: draws, slots, the log and the metrics."""

import itertools
import statistics

import pytest
from simulator_client import Client, ask, chat, request

from loadgen.simulator import SimulatorSettings
from loadgen.simulator._native import draws

CHAT = "/v1/chat/completions"
LOGNORMAL = {"dist": "lognormal", "mean": 2, "std": 1}


def metrics(url: str) -> dict[str, float]:
    lines = ask(url, "GET", "/metrics").body.decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def wait_until(url: str, *, running: int, waiting: int) -> None:
    """Ask until so many have a slot and so many are in the queue."""
    while (n_in(url, "running"), n_in(url, "waiting")) != (running, waiting):
        pass


def n_in(url: str, state: str) -> float:
    return metrics(url)[f'vllm:num_requests_{state}{{engine="0",model_name="simulator"}}']


def due_gaps(entry: dict[str, list[int]]) -> list[int]:
    return [after - before for before, after in itertools.pairwise(entry["due_unix_ns"])]


def test_log_has_an_instant_for_each_token(start, log_path, read_log):
    simulator = start(log_path)
    with Client(simulator.url) as client:
        for n_tokens in (1, 61, 62, 63, 200):
            client.ask("POST", CHAT, chat(n_tokens), X_Request_Id=f"r{n_tokens}")
    simulator.stop()
    entries = read_log()
    assert [entry["request_id"] for entry in entries] == ["r1", "r61", "r62", "r63", "r200"]
    for entry in entries:
        n_tokens = int(entry["request_id"][1:])
        assert len(entry["token_unix_ns"]) == len(entry["due_unix_ns"]) == n_tokens
        assert entry["token_unix_ns"] == sorted(entry["token_unix_ns"])
        assert entry["outcome"] == "ok"


def test_tokens_are_due_at_even_gaps_and_never_written_early(start, log_path, read_log):
    simulator = start(log_path, ttft_ms=5, itl_ms=3)
    ask(simulator.url, "POST", CHAT, chat(20))
    simulator.stop()
    (entry,) = read_log()
    assert due_gaps(entry) == [3_000_000] * 19
    assert entry["due_unix_ns"][0] == entry["received_unix_ns"] + 5_000_000
    assert all(wrote >= due for wrote, due in zip(entry["token_unix_ns"], entry["due_unix_ns"], strict=True))


def test_without_a_gap_a_token_is_due_when_the_one_before_was_written(start, log_path, read_log):
    simulator = start(log_path, ttft_ms=0, itl_ms=0)
    ask(simulator.url, "POST", CHAT, chat(50))
    simulator.stop()
    (entry,) = read_log()
    assert entry["due_unix_ns"][1:] == entry["token_unix_ns"][:-1]


def test_streams_without_a_gap_take_turns(start, log_path, read_log):
    simulator = start(log_path, ttft_ms=20, itl_ms=0)
    with Client(simulator.url) as one, Client(simulator.url) as other:
        for client in (one, other):
            client.send(request("POST", CHAT, chat(2_000)))
        assert len(one.answer().tokens) == len(other.answer().tokens) == 2_000
    simulator.stop()
    first, second = read_log()
    assert first["token_unix_ns"][-1] > second["token_unix_ns"][0]


def test_slots_make_the_rest_wait_in_the_order_they_came(start, connect, log_path, read_log):
    simulator = start(log_path, slots=1, ttft_ms=10, itl_ms=30)
    clients = [connect(simulator.url) for _ in range(3)]
    for n_waiting, client in enumerate(clients):
        client.send(request("POST", CHAT, chat(5), X_Request_Id=f"r{n_waiting}"))
        wait_until(simulator.url, running=1, waiting=n_waiting)
    assert all(len(client.answer().tokens) == 5 for client in clients)
    simulator.stop()
    entries = read_log()
    assert [entry["request_id"] for entry in entries] == ["r0", "r1", "r2"]
    for before, after in itertools.pairwise(entries):
        assert after["due_unix_ns"][0] >= before["token_unix_ns"][-1] + 10_000_000


def test_slots_hold_for_answers_that_are_not_streamed(start, connect, log_path, read_log):
    simulator = start(log_path, slots=1, ttft_ms=5, itl_ms=1)
    clients = [connect(simulator.url) for _ in range(3)]
    for client in clients:
        client.send(request("POST", CHAT, chat(5, stream=False)))
    assert all(client.answer().status == 200 for client in clients)
    simulator.stop()
    entries = sorted(read_log(), key=lambda entry: entry["due_unix_ns"][0])
    for before, after in itertools.pairwise(entries):
        assert after["due_unix_ns"][0] >= before["token_unix_ns"][0] + 9_000_000


def test_client_that_leaves_gives_its_slot_to_the_next(start, connect, log_path, read_log):
    simulator = start(log_path, slots=1, ttft_ms=0, itl_ms=100_000)
    served, queued, last = (connect(simulator.url) for _ in range(3))
    for n_waiting, client in enumerate((served, queued, last)):
        client.send(request("POST", CHAT, chat(1 if client is last else 1_000)))
        wait_until(simulator.url, running=1, waiting=n_waiting)
    queued.close()
    wait_until(simulator.url, running=1, waiting=1)
    served.close()
    assert len(last.answer().tokens) == 1
    simulator.stop()
    assert sorted(entry["outcome"] for entry in read_log()) == ["client_closed", "client_closed", "ok"]


def test_stalled_request_keeps_its_slot_until_its_client_leaves(start, log_path, read_log):
    simulator = start(log_path, slots=1)
    with Client(simulator.url) as stalled, Client(simulator.url) as other:
        stalled.send(request("POST", CHAT, chat(2), X_Simulate="stall"))
        next(stalled.pieces_of_stream())
        other.send(request("POST", CHAT, chat(2)))
        wait_until(simulator.url, running=1, waiting=1)
        stalled.close()
        assert len(other.answer().tokens) == 2
    simulator.stop()
    stall, whole = read_log()
    assert (stall["outcome"], len(stall["token_unix_ns"]), whole["outcome"]) == ("stall", 1, "ok")


@pytest.mark.parametrize("fault", ["429", "reset", "truncated", "error_event", "role_only"])
def test_log_says_the_fault(start, log_path, read_log, fault):
    simulator = start(log_path)
    ask(simulator.url, "POST", CHAT, chat(4), X_Simulate=fault)
    simulator.stop()
    (entry,) = read_log()
    assert entry["outcome"] == fault
    assert len(entry["token_unix_ns"]) == (0 if fault in ("429", "role_only") else 2)


def test_request_id_that_json_would_not_bear_is_made_to_fit(start, log_path, read_log):
    simulator = start(log_path)
    ask(simulator.url, "POST", CHAT, chat(1), X_Request_Id='a"b\\c')
    ask(simulator.url, "POST", CHAT, chat(1))
    simulator.stop()
    assert [entry["request_id"] for entry in read_log()] == ["a?b?c", ""]


def test_what_is_under_way_at_the_end_is_in_the_log(start, log_path, read_log):
    simulator = start(log_path, itl_ms=1_000)
    with Client(simulator.url) as client:
        client.send(request("POST", CHAT, chat(10)))
        next(client.pieces_of_stream())
        simulator.stop()
    (entry,) = read_log()
    assert entry["outcome"] == "stopped"


def test_same_seed_gives_the_same_gaps_and_lengths(start, tmp_path, read_log, log_path):
    def run(seed: int) -> list[tuple[int, list[int]]]:
        lengths = {"mean": 20, "std": 10, "min": 5, "max": 40}
        simulator = start(log_path, seed=seed, itl_ms=LOGNORMAL, ttft_ms=LOGNORMAL, output_tokens=lengths)
        with Client(simulator.url) as client:
            for _ in range(3):
                client.ask("POST", CHAT, chat(None))
        simulator.stop()
        return [(entry["due_unix_ns"][0] - entry["received_unix_ns"], due_gaps(entry)) for entry in read_log()]

    once, again, other = run(7), run(7), run(8)
    assert once == again
    assert once != other
    assert all(4 <= len(gaps) <= 39 for _, gaps in once)


def test_lognormal_has_the_mean_and_deviation_that_are_asked():
    drawn = draws(SimulatorSettings(itl_ms={"mean": 20, "std": 5}).itl_ns_shape(), 3, 0, 200_000)
    assert statistics.fmean(drawn) == pytest.approx(20e6, rel=0.01)
    assert statistics.pstdev(drawn) == pytest.approx(5e6, rel=0.02)


def test_draws_of_one_request_do_not_depend_on_the_others():
    shape = SimulatorSettings(itl_ms=LOGNORMAL).itl_ns_shape()
    assert draws(shape, 3, 5, 10) == draws(shape, 3, 5, 20)[:10]
    assert draws(shape, 3, 5, 10) != draws(shape, 3, 6, 10)
    assert draws(shape, 3, 5, 10) != draws(shape, 4, 5, 10)


def test_normal_draws_stay_between_their_bounds():
    shape = SimulatorSettings(output_tokens={"mean": 10, "std": 50, "min": 2, "max": 15}).output_tokens_shape()
    drawn = draws(shape, 1, 0, 10_000)
    assert min(drawn) == 2
    assert max(drawn) == 15


def test_metrics_count_requests_tokens_and_lateness(start, log_path, read_log):
    simulator = start(log_path)
    with Client(simulator.url) as client:
        client.ask("POST", CHAT, chat(30))
        client.ask("POST", CHAT, chat(5, stream=False))
        client.ask("POST", CHAT, chat(30), X_Simulate="500")
    seen = metrics(simulator.url)
    simulator.stop()
    late_s = [
        (wrote - due) / 1e9
        for entry in read_log()[:1]
        for wrote, due in zip(entry["token_unix_ns"], entry["due_unix_ns"], strict=True)
    ]
    assert seen['loadgen_simulator_requests_total{outcome="ok"}'] == 2
    assert seen['loadgen_simulator_requests_total{outcome="fault"}'] == 1
    assert seen["loadgen_simulator_token_lateness_seconds_count"] == seen["loadgen_simulator_tokens_total"] == 30
    assert seen['vllm:generation_tokens_total{engine="0",model_name="simulator"}'] == 35
    assert seen["loadgen_simulator_token_lateness_max_seconds"] == pytest.approx(max(late_s), abs=2e-6)
    assert seen["loadgen_simulator_token_lateness_seconds_sum"] == pytest.approx(sum(late_s), abs=60e-6)
    assert min(late_s) <= seen['loadgen_simulator_token_lateness_seconds{quantile="0.5"}'] <= max(late_s) + 2e-6
