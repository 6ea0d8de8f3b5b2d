"""What the target finds before the load, and which keys it calls its own, at a real Redis and a real Valkey."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.engine.contract import KEY_DTYPE
from loadgen.errors import TargetError
from loadgen.plan.stamps import stamped_value
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, target_for
from loadgen.targets.redis.keyspace import MARKER, claim, foreign_key, key_name, owned, remove
from loadgen.targets.redis.read_back import read_back
from loadgen.targets.redis.session import Session
from loadgen.targets.redis.target import RedisTarget
from servers import SERVERS
from servers.process import Server, free_port

PASSWORD = "s3cret of nobody"

Start = Callable[..., Server]


@pytest.fixture(params=["redis", "valkey"])
def start(request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[object, str], object]) -> Iterator[Start]:
    """start(option=value) starts one for this test; _ stands for - in an option's name."""
    name = request.param
    need(SERVERS[name].find(), f"{name} is not installed: python -m servers install {name}")
    with ExitStack() as stack:

        def start_one(**options: str | tuple[str, ...]) -> Server:
            spelled = {option.replace("_", "-"): value for option, value in options.items()}
            return stack.enter_context(SERVERS[name].start(free_port(), tmp_path, options=spelled))

        yield start_one


def target_at(url: str, workload: dict[str, Any] | None = None, **service: Any) -> RedisTarget:
    target = target_for(
        recipe_from_dict({"service": {"kind": "redis", "url": url, **service}, "workload": workload or {}})
    )
    assert isinstance(target, RedisTarget)
    return target


def prepared(url: str, workload: dict[str, Any] | None = None, **service: Any) -> Readiness:
    return asyncio.run(target_at(url, workload, **service).prepare())


def complaint_of(url: str, workload: dict[str, Any] | None = None, **service: Any) -> str:
    with pytest.raises(TargetError) as raised:
        prepared(url, workload, **service)
    text = str(raised.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return text


def session_at(url: str, **service: Any) -> Session:
    return Session(prepared(url, {"operation": "ping"}, **service).address)


def test_run_json_says_which_server_answered(start: Start) -> None:
    server = start(maxmemory="64mb", maxmemory_policy="volatile-lru", save=("60", "1"))
    ready = prepared(server.url)
    assert ready.service["name"] == server.name
    assert ready.service["version"][0].isdigit()
    assert (ready.service["protocol"], ready.service["mode"], ready.service["role"]) == (
        "RESP3",
        "standalone",
        "master",
    )
    assert (ready.service["maxmemory_bytes"], ready.service["maxmemory_policy"]) == (64 << 20, "volatile-lru")
    assert (ready.service["persistence"], ready.service["io_threads"]) == ("rdb", 1)
    assert ready.notes == ()
    json.dumps(ready.service)


@pytest.mark.parametrize(("protocol", "spoken"), [("auto", "RESP3"), (2, "RESP2"), (3, "RESP3")])
def test_the_protocol_is_the_one_that_was_asked_for(start: Start, protocol: Any, spoken: str) -> None:
    assert prepared(start().url, protocol=protocol).service["protocol"] == spoken


def test_a_server_without_hello_is_spoken_to_in_resp2(start: Start) -> None:
    server = start(rename_command=("HELLO", "hidden"), requirepass=PASSWORD)
    ready = prepared(server.url, password=PASSWORD, database=3)
    assert (ready.service["protocol"], ready.service["database"]) == ("RESP2", 3)
    assert ready.notes == ("the server does not know RESP3: spoken to in RESP2",)
    assert "does not speak RESP3" in complaint_of(server.url, password=PASSWORD, protocol=3)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_wrong_or_missing_password_is_one_line_that_does_not_show_it(start: Start, protocol: int) -> None:
    url = start(requirepass="the right one").url
    assert "does not accept service.password" in complaint_of(url, password=PASSWORD, protocol=protocol)
    assert "user (joe)" in complaint_of(url, user="joe", password=PASSWORD, protocol=protocol)
    assert "password" in complaint_of(url, protocol=protocol)
    assert "does not accept" in complaint_of(url.replace("//", "//:wrong@"), protocol=protocol)


def test_a_user_of_the_servers_list_logs_in(start: Start) -> None:
    server = start()
    with session_at(server.url) as session:
        session.demand("ACL", "SETUSER", "joe", "on", f">{PASSWORD}", "~*", "+@all")
    for protocol in ("auto", 2):
        assert prepared(server.url, user="joe", password=PASSWORD, protocol=protocol).notes == ()


def test_a_user_without_a_right_is_told_which(start: Start) -> None:
    server = start()
    with session_at(server.url) as session:
        session.demand("ACL", "SETUSER", "joe", "on", f">{PASSWORD}", "~*", "+@all", "-get")
        session.demand("ACL", "SETUSER", "ann", "on", f">{PASSWORD}", "~key:*", "+get", "+set", "+select")
    assert "GET is refused: NOPERM" in complaint_of(server.url, user="joe", password=PASSWORD)
    assert "cannot see whether keys of others" in complaint_of(server.url, user="ann", password=PASSWORD)
    assert prepared(server.url, {"reuse": True}, user="ann", password=PASSWORD).service["version"] is None


def test_a_database_that_is_not_there_is_one_line(start: Start) -> None:
    assert "no database 99" in complaint_of(start().url, database=99)


def test_a_unix_socket_is_reached(start: Start, tmp_path: Path) -> None:
    start(unixsocket=str(tmp_path / "s"))
    ready = prepared(f"unix://{tmp_path}/s", database=1)
    assert (ready.service["url"], ready.service["port"]) == (f"unix://{tmp_path}/s", None)
    assert "there is no such socket" in complaint_of(f"unix://{tmp_path}/none")


@pytest.mark.parametrize("protocol", ["auto", 2])
def test_a_node_of_a_cluster_is_refused(start: Start, protocol: Any) -> None:
    url = start(cluster_enabled="yes", cluster_port=str(free_port())).url
    assert "this is a cluster node; cluster mode is not supported" in complaint_of(url, protocol=protocol)
    assert "this is a cluster node" in complaint_of(url, database=1)


def test_a_node_that_hides_its_info_is_known_by_its_answer(start: Start) -> None:
    url = start(cluster_enabled="yes", cluster_port=str(free_port()), rename_command=("INFO", "hidden")).url
    assert "this is a cluster node; cluster mode is not supported" in complaint_of(url)


class AnswersHttp(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_another_kind_of_server_is_named() -> None:
    with HTTPServer(("127.0.0.1", 0), AnswersHttp) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            for protocol in ("auto", 2):
                text = complaint_of(f"redis://127.0.0.1:{server.server_port}", protocol=protocol)
                assert "this looks like HTTP, not Redis" in text
        finally:
            server.shutdown()
            serving.join()


def test_nobody_there_is_one_line() -> None:
    assert "connection refused: nothing listens there" in complaint_of(f"redis://127.0.0.1:{free_port()}")


def test_a_value_larger_than_the_server_takes_is_one_line(start: Start) -> None:
    url = start(proto_max_bulk_len="1mb").url
    text = complaint_of(url, {"value_bytes": (1 << 20) + 1})
    assert "workload.value_bytes: 1048577 is more than the server takes (proto-max-bulk-len 1048576)" in text
    assert prepared(url, {"value_bytes": 1 << 20}).notes == ()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["HGETT", "h", "f"], "the server knows no command HGETT"),
        (["HGET", "h"], "HGET takes 3 words, its own name counted, and has 2"),
        (["MGET"], "MGET takes at least 2 words"),
    ],
)
def test_a_command_that_cannot_work_is_found_before_the_load(start: Start, args: list[str], words: str) -> None:
    assert words in complaint_of(start().url, {"commands": [{"args": ["PING"]}, {"name": "bad", "args": args}]})


def test_keys_of_others_are_never_written_over_unasked(start: Start) -> None:
    url = start().url
    with session_at(url) as session:
        session.demand("SET", key_name("key:", 70), "theirs")
        session.demand("SET", "key:of somebody", "theirs")
    text = complaint_of(url, {"keys": 100})
    assert "key:000000000070 is there already, and not from loadgen; workload.reuse: true" in text
    for harmless in ({"keys": 70}, {"operation": "get", "preload": False}, {"operation": "incr"}, {"reuse": True}):
        assert prepared(url, harmless)
    assert prepared(url, {"keys": 100}, database=1)


def test_keys_of_an_earlier_run_are_loadgens_own(start: Start) -> None:
    with session_at(start().url) as session:
        spans = {"key:": 2500, "list:": 3}
        claim(session, spans, {})
        for prefix, n in spans.items():
            session.ask_all([("SET", key_name(prefix, number), "ours") for number in range(n)])
        session.demand("SET", key_name("key:", 2500), "theirs")
        assert owned(session) == spans
        assert foreign_key(session, {"key:": 2500, "list:": 3}, owned(session)) is None
        assert foreign_key(session, {"key:": 9999}, owned(session)) == key_name("key:", 2500)
        shown: list[tuple[int, int]] = []
        remove(session, owned(session), lambda _what, n_done, n_in_all: shown.append((n_done, n_in_all)))
        assert session.ask("KEYS", "*") == [key_name("key:", 2500).encode()]
        assert shown == [(1000, 2503), (2000, 2503), (2500, 2503), (2503, 2503)]


def test_a_claim_grows_and_never_shrinks(start: Start) -> None:
    with session_at(start().url) as session:
        claim(session, {"key:": 500}, {})
        claim(session, {"key:": 20, "hash:": 5}, owned(session))
        assert owned(session) == {"key:": 500, "hash:": 5}


def test_a_marker_that_is_none_claims_nothing(start: Start) -> None:
    with session_at(start().url) as session:
        session.demand("SET", MARKER, "1")
        assert owned(session) == {}


def test_data_without_stamps_is_not_checked(start: Start) -> None:
    url = start().url
    with session_at(url) as session:
        session.demand("SET", key_name("key:", 0), "plain")
    ready = prepared(url, {"operation": "get", "preload": False})
    assert ready.notes == ("what is there was not put there by loadgen: nothing is checked",)


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ({"value_bytes": 20}, ("have no room for a stamp",)),
        ({"value_bytes": 20, "check": False}, ()),
        ({"operation": "incr", "value_bytes": 20}, ()),
        ({}, ("the server may drop keys (allkeys-lru)",)),
    ],
)
def test_what_is_not_checked_is_said(start: Start, workload: dict[str, Any], words: tuple[str, ...]) -> None:
    policy = "noeviction" if workload else "allkeys-lru"
    target = target_at(start(maxmemory="64mb", maxmemory_policy=policy).url, workload)
    notes = asyncio.run(target.prepare()).notes
    assert [word in note for word, note in zip(words, notes, strict=True)] == [True] * len(words)
    assert target.work(None).n_keys == 0


def test_a_sample_is_flat_and_survives_the_servers_end(start: Start) -> None:
    server = start()
    target = target_at(server.url, {"operation": "ping"})
    assert target.sample() is None
    asyncio.run(target.prepare())
    sample = target.sample()
    assert sample is not None
    assert sample["used_memory_bytes"] > 0
    assert all(isinstance(value, (int, float)) for value in sample.values())
    later = target.sample()
    assert later is not None
    assert later["commands"] > sample["commands"]
    server.stop()
    assert target.sample() is None
    asyncio.run(target.close())


def test_what_is_read_back_is_held_against_what_was_acknowledged(start: Start) -> None:
    ready = prepared(start().url)
    keys = np.zeros(8, KEY_DTYPE)
    keys["floor"] = [1, 1, 7, 7, 3, 0, 2, 1]
    keys["latest_delete"][6] = 2
    tag = b"0a1b2c3d"
    values = {
        0: stamped_value(b"", tag, 0, 1),
        1: stamped_value(b"filler", tag, 1, 9),  # newer than what was acknowledged: its fate was unknown
        2: stamped_value(b"filler", tag, 2, 6),
        3: stamped_value(b"filler", tag, 1, 7),
        7: stamped_value(b"filler", tag, 7, 1)[:-1] + b"x",
    }
    with Session(ready.address) as session:
        for key, value in values.items():
            session.demand("SET", key_name("key:", key), value)
    finding = read_back(ready.address, keys, 64)
    assert (finding.n_checked, finding.n_wrong) == (6, 4)  # 2 old, 3 of another key, 4 missing, 7 torn
    assert finding.text == "6 of 6 keys read back: 4 wrong; key:000000000002: version 6, though 7 was acknowledged"


def test_a_server_that_has_gone_is_not_called_wrong(start: Start) -> None:
    server = start()
    ready = prepared(server.url)
    server.stop()
    keys = np.ones(8, KEY_DTYPE)
    keys["latest_delete"] = 0
    finding = read_back(ready.address, keys, 64)
    assert (finding.n_checked, finding.n_wrong) == (0, 0)
    assert "could not be read back" in finding.text


def test_tls_is_spoken_where_the_address_says_so(tmp_path: Path, need: Callable[[Any, str], Any]) -> None:
    need(SERVERS["redis"].find(), "redis is not installed: python -m servers install redis")
    openssl = need(shutil.which("openssl"), "openssl is not installed")
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    pair = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1", *pair], check=True, capture_output=True)
    certificate, port = str(tmp_path / "cert"), free_port()
    options = {
        "tls-port": str(port),
        "tls-cert-file": certificate,
        "tls-key-file": str(tmp_path / "key"),
        "tls-ca-cert-file": certificate,
        "tls-auth-clients": "no",
    }
    with SERVERS["redis"].start(free_port(), tmp_path, options=options):
        url = f"rediss://127.0.0.1:{port}"
        assert prepared(url, tls={"ca_file": certificate}).address.tls
        assert prepared(url, tls={"verify": False}).service["protocol"] == "RESP3"
        assert "its certificate is not accepted" in complaint_of(url)
        assert "TLS" in complaint_of(f"redis://127.0.0.1:{port}")
