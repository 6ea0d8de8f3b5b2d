"""Whole runs against a real Redis and a real Valkey, as a person starts them; the server counts, too."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from servers import SERVERS
from servers.process import Server, free_port
from tests.servers.redis_cli import Redis
from tests.servers.whole_runs import Ran, interrupt, loadgen, n_answered, n_failed, run_recipe, start_recipe, wait_until

PASSWORD = "s3cret of nobody"
WITHIN_S = 30.0

Start = Callable[..., Server]
REDIS_ALONE = pytest.mark.parametrize("start", ["redis"], indirect=True)
"""For what is loadgen's own doing, whoever answers."""


@pytest.fixture(params=["redis", "valkey"])
def start(request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[object, str], object]) -> Iterator[Start]:
    """start(option=value) starts one for this test; _ stands for - in an option's name. port: the one to listen on."""
    name = request.param
    need(SERVERS[name].find(), f"{name} is not installed: python -m servers install {name}")
    with ExitStack() as stack:

        def start_one(port: int | None = None, **options: str | tuple[str, ...]) -> Server:
            spelled = {option.replace("_", "-"): value for option, value in options.items()}
            return stack.enter_context(SERVERS[name].start(port or free_port(), tmp_path, options=spelled))

        yield start_one


def run(folder: Path, url: str, *, load: dict[str, Any], service: Any = None, **sections: Any) -> Ran:
    recipe = {"service": {"kind": "redis", "url": url, **(service or {})}, "load": load, **sections}
    return run_recipe(folder, recipe)


def counted(redis: Redis, command: str) -> int:
    """How often the server carried a command out, by its own count."""
    stats = dict(line.split(":", 1) for line in redis.say("INFO commandstats").splitlines() if ":" in line)
    return int(stats.get(f"cmdstat_{command}", "calls=0,").split("calls=")[1].split(",")[0])


@pytest.mark.parametrize(("pipeline", "protocol"), [(1, 2), (16, 3)])
@pytest.mark.parametrize("engine", ["native", "portable"])
def test_every_command_is_carried_out_once_and_every_get_is_right(
    start: Start, tmp_path: Path, engine: str, pipeline: int, protocol: int
) -> None:
    server = start()
    ran = run(
        tmp_path,
        server.url,
        service={"protocol": protocol},
        workload={"operations": {"get": 3, "set": 1, "incr": 1}, "keys": 200, "pipeline": pipeline},
        load={"engine": engine, "concurrency": 4, "requests": 3000, "warmup_s": 0},
    )
    assert ran.exit_code == 0, ran.stderr
    assert Counter(line["outcome"] for line in ran.lines) == {"ok": 3000}
    by_operation = Counter(line["operation"] for line in ran.lines)
    with Redis(server) as redis:
        assert counted(redis, "get") == by_operation["get"] + 1  # the probe's
        assert counted(redis, "set") == by_operation["set"] + 200
        assert counted(redis, "incr") == by_operation["incr"]
        assert redis.say("DBSIZE") == "0"
    assert ran.run["service"]["protocol"] == f"RESP{protocol}"
    assert sum(line.get("checked", False) for line in ran.lines) == by_operation["get"]
    assert ran.summary["wrong"] == 0
    assert ran.summary["checked"] == by_operation["get"] + 200  # those that were read back, too
    assert [(one["name"], one["checked"], one["wrong"]) for one in ran.summary["findings"]] == [("read back", 200, 0)]


def test_commands_of_ones_own_do_what_they_say(start: Start, tmp_path: Path) -> None:
    server = start()
    commands = [
        {"args": ["HSET", "h:{key}", "of", "{value}"], "weight": 2},
        {"args": ["HGETALL", "h:{key}"]},
        {"name": "made", "args": ["SADD", "made", "{uuid}"]},
        {"name": "numbered", "args": ["SADD", "numbered", "{index}"]},
    ]
    ran = run(
        tmp_path,
        server.url,
        workload={"commands": commands, "keys": 5, "value_bytes": 10},
        load={"requests": 500, "concurrency": 4, "warmup_s": 0},
    )
    assert ran.exit_code == 0, ran.stderr
    by_operation = Counter(line["operation"] for line in ran.lines)
    with Redis(server) as redis:
        assert redis.say("SCARD made") == str(by_operation["made"])
        assert redis.say("SCARD numbered") == str(by_operation["numbered"])
        assert redis.say("HSTRLEN h:000000000003 of") == "10"
        assert redis.say("DBSIZE") == "7"
    assert {line["n_items"] for line in ran.lines if line["operation"] == "hgetall"} <= {0, 2}


def test_the_shipped_sweep_leaves_bundles_that_verify_and_no_keys(start: Start, tmp_path: Path) -> None:
    server = start()
    short = (
        "--set",
        "sweep.load.concurrency=[1, 4]",
        "--set",
        "load.duration_s=0.3",
        "--set",
        "load.warmup_s=0.1",
        "--set",
        "workload.keys=500",
    )
    places = ("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"))
    ran = loadgen(
        "recipes/redis_sweep.yaml", "--set", f"service.url={server.url}", "--set", "slo=[p99 < 10 s]", *short, *places
    )
    assert ran.returncode == 0, ran.stderr
    bundles = sorted((tmp_path / "results").glob("BM-*"))
    assert len(bundles) == 2
    for bundle in bundles:
        summary = json.loads((bundle / "summary.json").read_text())
        assert summary["checked"] > 0
        assert summary["wrong"] == 0
        assert loadgen("verify", str(bundle)).returncode == 0
    assert len(list((tmp_path / "reports").glob("sweep_*/report.md"))) == 1
    with Redis(server) as redis:
        assert redis.say("DBSIZE") == "0"


@REDIS_ALONE
def test_a_user_works_in_the_chosen_database_over_a_unix_socket(start: Start, tmp_path: Path) -> None:
    server = start(unixsocket=str(tmp_path / "s"))
    with Redis(server) as redis:
        redis.say(f'ACL SETUSER joe on ">{PASSWORD}" ~* +@all')
    ran = run(
        tmp_path,
        f"unix://{tmp_path}/s",
        service={"user": "joe", "password": PASSWORD, "database": 3},
        workload={"keys": 50, "keep": True},
        load={"requests": 100, "warmup_s": 0},
    )
    assert ran.exit_code == 0, ran.stderr
    assert not [path for path in ran.bundle.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    with Redis(server) as redis:
        assert redis.say("DBSIZE") == "0"
        redis.say("SELECT 3")
        assert redis.say("DBSIZE") == "51"  # with loadgen's own mark
    again = run(
        tmp_path,
        f"unix://{tmp_path}/s",
        service={"user": "joe", "password": PASSWORD, "database": 3},
        workload={"keys": 50, "preload": False},
        load={"requests": 100, "warmup_s": 0},
    )
    assert again.exit_code == 0, again.stderr
    assert {line["outcome"] for line in again.lines} == {"ok"}


@REDIS_ALONE
def test_a_full_memory_is_an_outcome_with_its_code(start: Start, tmp_path: Path) -> None:
    server = start(maxmemory="8mb")
    ran = run(
        tmp_path,
        server.url,
        workload={"operations": {"set": 1, "ping": 1}, "keys": 2000, "value_bytes": 20_000, "preload": False},
        load={"requests": 3000, "warmup_s": 0},
    )
    assert ran.exit_code == 0, ran.stderr
    failed = [line for line in ran.lines if line["outcome"] != "ok"]
    assert failed
    assert {(line["outcome"], line["error_code"]) for line in failed} == {("server_error", "OOM")}
    assert all("maxmemory" in line["error"] for line in failed)
    assert ran.summary["requests"]["by_error_code"] == {"OOM": len(failed)}


@REDIS_ALONE
def test_a_preload_that_does_not_fit_is_one_line(start: Start, tmp_path: Path) -> None:
    server = start(maxmemory="4mb")
    workload = {"keys": 2000, "value_bytes": 20_000}
    ran = run(tmp_path, server.url, workload=workload, load={"requests": 10})
    assert ran.exit_code == 3
    (line,) = ran.stderr.strip().splitlines()
    assert "preload: " in line
    assert "OOM" in line


@REDIS_ALONE
@pytest.mark.parametrize(("promise", "exit_code"), [("p99 < 100 s", 0), ("p99 < 1 us", 1)])
def test_a_promise_decides_the_exit_code(start: Start, tmp_path: Path, promise: str, exit_code: int) -> None:
    ran = run(tmp_path, start().url, slo=[promise], load={"requests": 200, "concurrency": 2})
    assert ran.exit_code == exit_code, ran.stderr


@REDIS_ALONE
@pytest.mark.parametrize(
    ("options", "service", "words"),
    [
        ({"requirepass": "right"}, {"password": PASSWORD}, "does not accept service.password"),
        ({"cluster_enabled": "yes"}, {}, "this is a cluster node; cluster mode is not supported"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_no_bundle(
    start: Start, tmp_path: Path, options: dict[str, str], service: dict[str, Any], words: str
) -> None:
    if "cluster_enabled" in options:
        options = {**options, "cluster_port": str(free_port())}
    ran = run(tmp_path, start(**options).url, service=service, load={"requests": 10})
    assert ran.exit_code == 3
    (line,) = ran.stderr.strip().splitlines()
    assert words in line
    assert PASSWORD not in line
    assert not list((tmp_path / "results").glob("BM-*"))


def test_a_web_server_on_the_port_is_named(start_server: Callable[[str], Server], tmp_path: Path) -> None:
    url = start_server("nginx").url.replace("http", "redis", 1)
    ran = run(tmp_path, url, load={"requests": 10})
    assert ran.exit_code == 3
    (line,) = ran.stderr.strip().splitlines()
    assert "this looks like HTTP, not Redis" in line


class Going:
    """A run that goes on, until the test ends."""

    def __init__(self, folder: Path, recipe: dict[str, Any]) -> None:
        self.folder = folder
        self.process = start_recipe(folder, recipe)

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def wait_for(self, n_lines: int) -> None:
        """Until so many requests have ended."""
        wait_until(lambda: self.process.poll() is not None or n_answered(self.folder) >= n_lines)
        assert self.process.poll() is None, self.said

    def end(self) -> Ran:
        self.process.wait(timeout=WITHIN_S)
        return Ran(self.process.returncode, self.said, self.folder)


def kill(server: Server) -> None:
    """Without a word, as a crash does it."""
    os.killpg(server.pid, signal.SIGKILL)
    server.process.wait()


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_a_server_that_goes_and_comes_back_costs_failures_and_not_the_run(
    start: Start, tmp_path: Path, engine: str
) -> None:
    server = start()
    recipe = {
        "service": {"kind": "redis", "url": server.url},
        "workload": {"keys": 100},
        "load": {"engine": engine, "concurrency": 2, "duration_s": 250, "give_up_s": 100, "think_time_s": 0.002},
    }
    going = Going(tmp_path, recipe)
    going.wait_for(200)
    kill(server)
    wait_until(lambda: n_failed(tmp_path) > 0)
    n_before = n_answered(tmp_path, "ok")
    again = start(int(server.url.rpartition(":")[2]))
    wait_until(lambda: n_answered(tmp_path, "ok") > n_before + 200 and n_answered(tmp_path, "wrong_answer") > 0)
    interrupt(going.process)
    ran = going.end()
    assert ran.exit_code == 130, ran.stderr
    outcomes = Counter(line["outcome"] for line in ran.lines)
    assert outcomes["reset"] + outcomes["connect_failed"] > 0
    assert outcomes["ok"] > 200
    lost = [line["error"] for line in ran.lines if line["outcome"] == "wrong_answer"]
    assert lost  # nothing was kept on a disk, and gets came before sets
    assert all("was acknowledged" in error for error in lost)
    assert loadgen("verify", str(ran.bundle)).returncode == 0
    with Redis(again) as redis:
        assert redis.say("PING") == "PONG"


@REDIS_ALONE
def test_a_server_that_goes_for_good_ends_the_run(start: Start, tmp_path: Path) -> None:
    server = start()
    recipe = {
        "service": {"kind": "redis", "url": server.url},
        "workload": {"keys": 100},
        "load": {"concurrency": 2, "duration_s": 600, "give_up_s": 1, "think_time_s": 0.002},
    }
    going = Going(tmp_path, recipe)
    going.wait_for(200)
    kill(server)
    ran = going.end()
    assert ran.exit_code == 3
    assert "gave up" in ran.stderr
    assert ran.run["status"] == "failed"
    assert loadgen("verify", str(ran.bundle)).returncode == 0


@REDIS_ALONE
def test_keys_of_others_stop_the_run_and_stay(start: Start, tmp_path: Path) -> None:
    server = start()
    with Redis(server) as redis:
        redis.say("SET key:000000000007 theirs")
        refused = run(tmp_path, server.url, load={"requests": 100})
        assert refused.exit_code == 3
        assert "key:000000000007 is there already, and not from loadgen" in refused.stderr
        assert redis.say("GET key:000000000007") == "theirs"
        reused = run(tmp_path, server.url, workload={"reuse": True, "keys": 50}, load={"requests": 100})
        assert reused.exit_code == 0, reused.stderr
        assert redis.say("DBSIZE") == "50"  # whose they are now is not for loadgen to say


@REDIS_ALONE
@pytest.mark.parametrize("engine", ["native", "portable"])
@pytest.mark.parametrize(
    ("spoils", "words"),
    [
        (["SET", "key:{key}", "{value}"], "torn"),
        (["DEL", "key:{key}"], "no value, though"),
        (["COPY", "key:000000000001", "key:000000000002", "REPLACE"], "key"),
    ],
)
def test_a_store_that_spoils_what_it_was_given_is_found_out(
    start: Start, tmp_path: Path, engine: str, spoils: list[str], words: str
) -> None:
    """One command of the workload plays the fault."""
    ran = run(
        tmp_path,
        start().url,
        workload={"operation": "get", "commands": [{"name": "fault", "args": spoils, "weight": 0.1}], "keys": 20},
        load={"engine": engine, "requests": 2000, "concurrency": 2},
    )
    assert ran.exit_code == 0, ran.stderr
    wrong = [line for line in ran.lines if line["outcome"] == "wrong_answer"]
    assert wrong
    assert {line["operation"] for line in wrong} == {"get"}
    assert all(words in line["error"] for line in wrong)
    (finding,) = ran.summary["findings"]
    assert finding["wrong"] > 0
    assert ran.summary["wrong"] == len(wrong) + finding["wrong"]
    assert {line["outcome"] for line in ran.lines if line["operation"] == "fault"} == {"ok"}
