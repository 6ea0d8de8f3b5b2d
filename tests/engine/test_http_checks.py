"""What is looked for in answers over HTTP, and what requests may be, on both engines."""

import json
import socket
from typing import Any

import numpy as np
import pytest
from harness import Carried, Engine, until
from plans import LONG_NS, MS, SLOT, closed, over_pool, plain_plan_of, with_values
from scripted import Asked, Peer, ScriptedServer, chunk, chunked, chunked_head, each, say, whole
from stamped import START, crc32c, stamped

from loadgen.engine.contract import Live
from loadgen.plan import model
from loadgen.plan.model import Check, Dues, Plan, Request, pool_of
from loadgen.records import NEVER, Checked
from loadgen.targets.encoding import encode_http
from loadgen.targets.slots import STAMP, Part, parts_of

TAG = b"1f2e3d4c"
HEADERS = {"Host": "127.0.0.1", "X-Request-Id": SLOT.decode()}


def request(method: str = "GET", path: str = "/", content: list[Part] | None = None, **known: Any) -> Request:
    return encode_http(method, path, HEADERS, content, **known)


def plan_for(*different: Request, **changes: Any) -> Plan:
    """These requests, one after the other."""
    pool = pool_of(different)
    settings = {"pool": pool, "draw": over_pool(closed(), len(pool)), "value_tag": TAG, **changes}
    return plain_plan_of(len(different), **settings)


def carry(engine: Engine, *exchanges: tuple[Request, bytes], **changes: Any) -> Carried:
    """Each request gets its answer."""
    requests, answers = zip(*exchanges, strict=True)
    return engine.carry(plan_for(*requests, **changes), each(*map(say, answers)))


def body(text: bytes, status: str = "200 OK") -> bytes:
    return whole(text, status=status, content_type="text/plain")


# --- HEAD, statuses


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_the_answer_to_head_has_no_body_whatever_it_says(engine: Engine, said: bytes) -> None:
    carried = carry(engine, (request("HEAD"), said), (request(), body(b"x")), (request("HEAD"), said))
    assert carried.outcomes == ["ok"] * 3
    assert carried.by_index["response_bytes"][0] == len(said)
    assert carried.server.n_connections == 1 or said.count(b":") == 0  # aiohttp thinks that a close must come then


def test_the_status_that_is_expected_is_right_whatever_it_is(engine: Engine) -> None:
    expecting = request(expect_status=404)
    carried = carry(
        engine,
        (expecting, body(b'{"error":"gone"}', "404 Not Found")),
        (expecting, body(b"here")),
        (expecting, body(b"broken", "500 No")),
        (request(expect_status=201), body(b"", "201 Created")),
        (request(expect_status=201), body(b"")),
        (request(expect_status=302), body(b"", "302 Found")),
    )
    assert carried.outcomes == ["ok", "wrong_answer", "server_error", "ok", "wrong_answer", "ok"]
    assert carried.errors[:3] == ["", "status 200, expected 404", "broken"]
    assert carried.by_index["http_status"].tolist() == [404, 200, 500, 201, 200, 302]
    assert carried.by_index["checked"].tolist()[1] == Checked.YES


# --- contains, count, ids


@pytest.mark.parametrize("text", [b"welcome, friend", b"welcome", b"wwelcome", b"wewelcomelcome"])
def test_a_body_that_contains_what_it_must_is_right(engine: Engine, text: bytes) -> None:
    looking = request(check=Check.CONTAINS, needle=b"welcome")
    carried = carry(engine, (looking, body(text)), (looking, chunked([text[:5], text[5:]], "text/html")))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.by_index["checked"].tolist() == [Checked.YES] * 2


@pytest.mark.parametrize("text", [b"", b"welcom", b"Welcome", b"welcom e"])
def test_a_body_that_lacks_what_it_must_contain_is_wrong(engine: Engine, text: bytes) -> None:
    looking = request(check=Check.CONTAINS, needle=b"welcome")
    carried = carry(engine, (looking, body(text)), (looking, body(b"welcome")))
    assert carried.outcomes == ["wrong_answer", "ok"]
    assert "does not contain welcome" in carried.errors[0]
    assert carried.server.n_connections == 1


def test_a_failure_is_its_status_and_not_what_it_lacks(engine: Engine) -> None:
    looking = request(check=Check.CONTAINS, needle=b"welcome")
    carried = carry(engine, (looking, body(b"busy", "503 Busy")), (looking, body(b"welcome", "404 Not Found")))
    assert carried.outcomes == ["server_error", "client_error"]
    assert carried.errors == ["busy", "welcome"]
    assert carried.by_index["checked"].tolist() == [Checked.NO] * 2


def test_an_expected_failure_may_have_to_contain_something(engine: Engine) -> None:
    looking = request(check=Check.CONTAINS, needle=b"no such", expect_status=404)
    carried = carry(
        engine, (looking, body(b"no such thing", "404 Not Found")), (looking, body(b"nothing", "404 Not Found"))
    )
    assert carried.outcomes == ["ok", "wrong_answer"]


@pytest.mark.parametrize(
    ("text", "needle", "n_items"),
    [
        (b"<Key>a</Key><Key>b</Key>", b"<Key>", 2),
        (b"aaaa", b"aa", 2),
        (b"abababa", b"aba", 2),
        (b"aabaabaaab", b"aab", 3),
        (b"", b"x", 0),
        (b"xyz" * 5000, b"z", 5000),
    ],
)
def test_occurrences_are_counted_over_any_cut(engine: Engine, text: bytes, needle: bytes, n_items: int) -> None:
    counting = request(check=Check.COUNT, needle=needle)
    pieces = [chunk(text[at : at + 1]) for at in range(len(text))] if len(text) < 100 else [chunk(text)]

    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(chunked_head("text/xml"), *pieces, b"0\r\n\r\n")

    record = engine.carry(plan_for(counting), each(answer)).only
    assert (record["outcome"], record["n_items"], record["checked"]) == (0, n_items, Checked.NO)


@pytest.mark.parametrize(
    ("answer", "n_items", "n_hits"),
    [
        ({"ids": [["v-00012", "v-00007", "v-00099"]], "distances": [[0.1, 12, 7]]}, 3, 2),
        ({"result": {"points": [{"id": 12, "score": 7}, {"id": 3, "version": 7}]}, "status": "ok", "time": 12}, 2, 1),
        ({"result": [{"id": "7"}, {"id": "x"}, {"id": None}, {"id": True}]}, 1, 1),
        ({"ids": []}, 0, 0),
        ({"id": {"name": 12}}, 0, 0),
        ([{"payload": {"id": 12}}, 12], 1, 1),
        ({"identity": 12, "idsx": [12], "ID": 12}, 0, 0),
        ({"a": '"id": 12'}, 0, 0),
    ],
)
def test_ids_that_an_answer_names_are_counted_and_held_against_the_true_neighbours(
    engine: Engine, answer: object, n_items: int, n_hits: int
) -> None:
    asking = request("POST", content=[b"{}"], check=Check.IDS, neighbours=(12, 7, 5))
    for text in (json.dumps(answer).encode(), json.dumps(answer, indent=2).encode()):
        said = whole(text)
        record = engine.carry(plan_for(asking), each(say(said[:-5], said[-5:]))).only
        assert (record["outcome"], record["n_items"], record["n_hits"]) == (0, n_items, n_hits)


def test_rubbish_names_no_ids(engine: Engine) -> None:
    asking = request(check=Check.IDS, neighbours=(1,))
    carried = carry(engine, (asking, body(b"not json")), (asking, body(b"")), (asking, body(b"no", "500 No")))
    assert carried.outcomes == ["ok", "ok", "server_error"]
    assert carried.by_index["n_items"].tolist()[:2] == [0, 0]


def test_what_is_not_looked_for_is_not_counted(engine: Engine) -> None:
    record = carry(engine, (request(), body(b'{"ids":[1]}'))).only
    assert (record["n_items"], record["n_hits"], record["checked"]) == (NEVER, NEVER, Checked.NO)


# --- versions


def test_objects_are_held_against_what_was_written(engine: Engine) -> None:
    putting = request("PUT", "/o", [b"filler", STAMP], check=Check.WRITE, key=3, crc=crc32c(START, b"filler"))
    getting = request("GET", "/o", check=Check.READ, key=3)
    deleting = request("DELETE", "/o", check=Check.DELETE, key=3)
    gone = body(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found")
    deleted = b"HTTP/1.1 204 No Content\r\n\r\n"

    def value(version: int, key: int = 3) -> bytes:
        return body(stamped(key, version, tag=TAG))

    exchanges = [
        (getting, gone, "ok"),
        (putting, body(b""), "ok"),
        (getting, value(2), "ok"),
        (getting, value(1), "wrong_answer"),
        (getting, value(2, 4), "wrong_answer"),
        (getting, body(stamped(3, 2, tag=TAG)[:-1]), "wrong_answer"),
        (getting, gone, "wrong_answer"),
        (putting, body(b"", "403 Forbidden"), "client_error"),
        (getting, value(2), "ok"),
        (putting, body(b"", "503 Slow Down"), "server_error"),
        (getting, value(2), "ok"),
        (deleting, deleted, "ok"),
        (getting, gone, "ok"),
        (getting, body(b"", "503 Slow Down"), "server_error"),
    ]
    carried = carry(engine, *((asked, answer) for asked, answer, _ in exchanges), n_keys=5)
    assert carried.outcomes == [outcome for _, _, outcome in exchanges]
    looked = [asked is getting and outcome != "server_error" for asked, _, outcome in exchanges]
    assert carried.by_index["checked"].tolist() == looked
    for error, outcome in zip(carried.errors, carried.outcomes, strict=True):
        assert (error == "") == (outcome in ("ok", "client_error", "server_error")), (error, outcome)


def test_a_write_that_is_sent_again_keeps_its_version(engine: Engine) -> None:
    """The kept connection ends upon it: it goes out once more, the same to the byte, as the harness holds."""
    from scripted import say_and_close

    putting = request("PUT", "/o", [STAMP], check=Check.WRITE, key=3)
    plan = plan_for(putting, putting, putting, n_keys=5)
    carried = engine.carry(plan, each(say(body(b"")), say_and_close(), say(body(b""))), resent=1)
    assert carried.outcomes == ["ok"] * 3
    versions = [int(asked.body[-18:-8]) for asked in carried.server.asked]
    assert versions == [2, 3, 3, 4]


# --- what servers call their errors


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ('{"error":{"message":"the words","code":"the_code","type":"t"}}', "the_code", "the words"),
        ('{"error":{"code":7,"type":"a_type","message":"the words"}}', "a_type", "the words"),
        ('{"code":"the_code","message":"the words"}', "the_code", "the words"),
        ('{"error":"NotFoundError","message":"Collection [x] does not exist"}', "NotFoundError", "Collection [x] does"),
        ('{"message":"the words","error":"InvalidArgument"}', "InvalidArgument", "the words"),
        ('{"status":{"error":"Wrong input: dimensions"},"time":0.1}', "", "Wrong input: dimensions"),
        ('{"error":"the words"}', "", "the words"),
        ('{"detail":"the words"}', "", "the words"),
        (
            '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The key &lt;a&gt; is gone</Message></Error>',
            "NoSuchKey",
            "The key <a> is gone",
        ),
        ("<Error><Message>first</Message><Code>SlowDown</Code></Error>", "SlowDown", "first"),
        ("<Error><Code>SlowDown</Code></Error>", "SlowDown", "SlowDown"),
        ("<html><body>nginx</body></html>", "", "<html><body>nginx</body></html>"),
        ("just words", "", "just words"),
    ],
)
def test_the_servers_own_word_for_an_error_is_kept(engine: Engine, text: str, code: str, error: str) -> None:
    answer = body(text.encode(), "400 Bad Request")
    carried = engine.carry(plan_for(request(), request()), each(say(answer), say(answer[:-9], answer[-9:])))
    assert carried.codes == [code] * 2
    assert all(said.startswith(error) for said in carried.errors)


# --- slots and bodies


def test_every_kind_of_slot_is_filled(engine: Engine) -> None:
    """The harness compares all but UUIDs and stamps."""
    asked = request(
        "POST", "/o/{key}/{index}", [*parts_of('{"a":"{uuid}","b":{key},"c":{index}}'), STAMP], check=Check.WRITE
    )
    plan = plain_plan_of(3, pool=pool_of([asked]), draw=with_values(closed(), lambda index: [index + 40]), n_keys=99)
    carried = engine.carry(plan, each(say(body(b""))))
    assert carried.outcomes == ["ok"] * 3
    said = carried.server.asked
    assert [one.target for one in said] == [f"/o/{index + 40:012d}/{index:012d}" for index in range(3)]
    assert [one.body[-38:] for one in said] == [stamped(index + 40, index + 2, filler=b"") for index in range(3)]
    assert [one.body[6:42] for one in said] == UUIDS


UUIDS = [
    b"009e7fd0-eff9-8530-a9c5-f63ed875785a",
    b"009e7fd0-eff9-8530-8ebb-e5c26d30a2c4",
    b"009e7fd0-eff9-8530-8561-a801baab0ccf",
]
"""Of this run's tag and the first indexes: the same on every engine and every machine."""


def test_a_negative_value_begins_with_its_sign(engine: Engine) -> None:
    draw = with_values(closed(), lambda _: [-7])
    plan = plain_plan_of(1, pool=pool_of([request("GET", "/{key}")]), draw=draw)
    assert engine.carry(plan, each(say(body(b"")))).server.asked[0].target == "/-00000000007"


def test_a_body_out_of_the_pools_bodies_goes_between_head_and_content(engine: Engine) -> None:
    bodies = np.arange(100_000, dtype=np.uint32).astype(np.uint8)
    requests = [
        request("PUT", "/a", [], n_more_bytes=90_000, body=(5, 90_000)),
        request("PUT", "/b", [b"the end"], n_more_bytes=10, body=(3, 10)),
        request("PUT", "/c", [STAMP], n_more_bytes=70_000, body=(0, 70_000), check=Check.WRITE, key=1),
    ]
    pool = pool_of(requests, bodies)
    carried = engine.carry(plain_plan_of(6, pool=pool, draw=over_pool(closed(), 3)), each(say(body(b""))))
    assert carried.outcomes == ["ok"] * 6
    sent = carried.server.asked
    assert sent[0].body == bodies[5:90_005].tobytes()
    assert sent[1].body == bodies[3:13].tobytes() + b"the end"
    assert carried.by_index["request_bytes"].tolist()[:3] == [len(one.raw) for one in sent[:3]]


def test_of_a_request_any_part_may_lie_among_the_pools_bodies(engine: Engine) -> None:
    """A head of many headers, say, that all requests have in common."""
    shared = b"X-Request-Id: " + SLOT + b"\r\nX-Long: " + b"y" * 9000 + b"\r\nContent-Length: 2\r\n"
    begin, end = b"PUT /a HTTP/1.1\r\nHost: h\r\n", b"X-Own: 1\r\n\r\nhi"
    asked = Request(begin + end, body=(1, len(shared)), body_at=len(begin))
    pool = pool_of([asked], np.frombuffer(b"?" + shared, np.uint8))
    carried = engine.carry(plain_plan_of(1, pool=pool), each(say(body(b""))))
    assert carried.outcomes == ["ok"]
    assert carried.server.asked[0].raw == begin + shared + end


def test_a_body_that_fills_its_socket_delays_no_other_connection(engine: Engine) -> None:
    """The server reads nothing of the large body before it has answered a hundred small requests."""

    async def script(peer: Peer) -> None:
        asked = await peer.head()
        if asked.method == "PUT":
            await until(lambda: len(peer.server.asked) >= 100)
        while True:
            await peer.body(asked)
            await peer.send(body(b""))
            asked = await peer.head()

    n_bytes = 14_000_000
    large = request("PUT", "/large", [], n_more_bytes=n_bytes, body=(7, n_bytes))
    pool = pool_of([large, request()], np.zeros(n_bytes + 7, np.uint8))

    def draw(first: int, count: int) -> Dues:
        return Dues((np.arange(first, first + count) > 0).astype(np.uint32), np.zeros(count, np.int64))

    carried = engine.carry(plain_plan_of(101, pool=pool, draw=draw, connections=2, timeout_ns=LONG_NS), script)
    assert carried.outcomes == ["ok"] * 101
    assert carried.by_index[0]["done_at_ns"] > carried.by_index["done_at_ns"][1:95].max()


def test_http_over_a_socket_of_this_hosts_is_served(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(5), each(say(body(b"x"))), family=socket.AF_UNIX)
    assert carried.outcomes == ["ok"] * 5
    assert carried.server.n_connections == 1


# --- requests whose signature ages


def test_requests_that_age_are_asked_for_anew(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "RENEW_AFTER_NS", 30 * MS)
    if engine.name == "native":
        monkeypatch.setattr("loadgen.engine.native.job.RENEW_AFTER_NS", 30 * MS)
    n_renewed = 0

    def renewed() -> np.ndarray:  # type: ignore[type-arg]
        nonlocal n_renewed
        n_renewed += 1
        text = plan.pool.text(0).replace(b"Signature: 0000", b"Signature: %04d" % n_renewed)
        return np.frombuffer(text, np.uint8)

    signed = encode_http("GET", "/", {**HEADERS, "Signature": "0000"}, None)
    plan = plain_plan_of(None, pool=pool_of([signed]), draw=closed([MS]), renewed=renewed)

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: any(dict(one.headers)["Signature"] >= "0002" for one in server.asked))
        live.stop()

    carried = engine.carry(plan, each(say(body(b""))), during=watch, renewed=True)
    seen = [dict(asked.headers)["Signature"] for asked in carried.server.asked]
    assert seen[0] == "0000"
    assert seen == sorted(seen)
