"""The simulator's process: how it starts, stops and fails."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from simulator_client import Client, ask, chat, request

from loadgen.errors import EngineError
from loadgen.simulator import SimulatorSettings, start_simulator

COMMAND = [sys.executable, "-m", "loadgen.simulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def start_command(*arguments: str) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def run_command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_with_the_log_whole(log_path, read_log, number):
    process, url = start_command("--ttft-ms", "1", "--itl-ms", "1", "--log", str(log_path))
    ask(url, "POST", "/v1/chat/completions", chat(3), X_Request_Id="only")
    process.send_signal(number)
    rest, _ = process.communicate()
    assert process.returncode == 0
    assert rest == ""
    assert [entry["request_id"] for entry in read_log()] == ["only"]


def test_log_is_written_while_it_serves(start, log_path, read_log):
    simulator = start(log_path)
    ask(simulator.url, "POST", "/v1/chat/completions", chat(3))
    while not log_path.read_text().endswith("\n"):
        assert simulator.exit_code is None
    assert len(read_log()) == 1


def test_stop_twice_is_one_stop(start):
    simulator = start()
    simulator.stop()
    simulator.stop()
    assert simulator.exit_code == 0


def test_with_block_stops_it():
    with start_simulator(SimulatorSettings()) as simulator:
        assert ask(simulator.url, "GET", "/health").status == 200
    assert simulator.exit_code == 0


def test_it_ends_when_its_parent_is_killed():
    script = (
        "from loadgen.simulator import SimulatorSettings, start_simulator\n"
        "simulator = start_simulator(SimulatorSettings())\n"
        "print(simulator.pid, flush=True)\n"
        "import signal; signal.pause()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert parent.stdout is not None
    child_fd = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert select.select([child_fd], [], [], 30)[0]
    os.close(child_fd)


def test_port_that_is_taken_is_one_line_and_exit_4():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_command("--port", str(port))
        with pytest.raises(EngineError, match=f"127.0.0.1:{port}: it is taken"):
            start_simulator(SimulatorSettings(), port=port)
    assert ended.returncode == 4
    assert ended.stderr == f"loadgen: the simulator cannot listen on 127.0.0.1:{port}: it is taken\n"
    assert ended.stdout == ""


def test_log_that_cannot_be_made_is_one_line(tmp_path):
    with pytest.raises(EngineError, match="cannot write its log"):
        start_simulator(SimulatorSettings(), log=tmp_path / "none" / "log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_log_that_could_not_be_written_whole_is_said_at_the_end():
    simulator = start_simulator(SimulatorSettings(ttft_ms=0, itl_ms=0), log=Path("/dev/full"))
    assert ask(simulator.url, "POST", "/v1/chat/completions", chat(3)).status == 200
    with pytest.raises(EngineError, match="No space left"):
        simulator.stop()


@pytest.mark.parametrize("arguments", [["--ttft-ms", "-3"], ["--settings", '{"slotz": 3}'], ["--error-ratio", "7"]])
def test_settings_that_make_no_sense_are_one_line_and_exit_2(arguments):
    ended = run_command(*arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1


def test_settings_survive_the_way_to_the_child():
    settings = SimulatorSettings(
        ttft_ms={"dist": "lognormal", "mean": 3, "std": 1},
        output_tokens={"mean": 9, "std": 2},
        slots=3,
        faults={"stall": 1.0},
        models=("a", "b"),
    )
    assert SimulatorSettings.from_dict(json.loads(json.dumps(settings.as_dict()))) == settings


def test_missing_native_module_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "loadgen.simulator._native", None)
    with pytest.raises(EngineError, match=r"^the simulator needs its native module"):
        start_simulator(SimulatorSettings())


def test_port_that_is_asked_for_is_used():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start_simulator(SimulatorSettings(), port=port) as simulator:
        assert simulator.url == f"http://127.0.0.1:{port}"


def test_connections_beyond_the_descriptor_limit_wait_until_others_close(connect):
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))\n"
        "from loadgen.simulator.__main__ import main; main(['--ttft-ms', '1'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    clients = [connect(url) for _ in range(80)]
    assert clients[0].ask("GET", "/health").status == 200
    for client in clients[:60]:
        client.close()
    assert all(client.ask("GET", "/health").status == 200 for client in clients[60:])
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_clients_are_let_go_when_it_stops():
    simulator = start_simulator(SimulatorSettings(itl_ms=10_000))
    with Client(simulator.url) as idle, Client(simulator.url) as busy:
        busy.send(request("POST", "/v1/chat/completions", chat(9)))
        pieces = busy.pieces_of_stream()
        next(pieces)
        simulator.stop()
        assert idle.is_at_end()
        with pytest.raises(EOFError):
            list(pieces)
