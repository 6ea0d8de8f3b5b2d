"""HTTP/1.1 as servers speak it, well and badly, on both engines."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from dialects import chat_events, chat_stream, completion
from harness import Engine, until
from plans import CHAT, MS, chat_request, closed, get_request, open_plan_of, plain_plan_of, plan_of
from scripted import (
    LAST_CHUNK,
    Answer,
    Asked,
    Peer,
    ScriptedServer,
    chunk,
    chunked,
    chunked_head,
    each,
    say,
    say_and_close,
    say_and_reset,
    whole,
)

from loadgen.engine.contract import Live
from loadgen.plan.model import Plan, Request, Slot, pool_of
from loadgen.records import NEVER

OK = whole(b"hello", content_type="text/plain")


def test_a_length_ends_the_body_and_the_connection_is_kept(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(5), each(say(OK)))
    assert carried.outcomes == ["ok"] * 5
    assert carried.server.n_connections == 1
    assert set(carried.records["connection"].tolist()) == {0}
    assert set(carried.records["response_bytes"].tolist()) == {len(OK)}


def test_the_request_goes_out_as_the_plan_has_it(engine: Engine) -> None:
    """The harness compares every request with the pool, byte by byte."""
    slots = get_request("/a%20b?q=%2F&x=1#")
    odd = b"PUT /x HTTP/1.1\r\nhost: h\r\nX-EMPTY: \r\nX-Request-Id: " + slots.raw[slots.slots[0].at :][:28]
    odd += b"\r\nAccept: a\r\nAccept: b\r\nUser-Agent: me\r\nContent-Length: 3\r\n\r\nabc"
    pool = pool_of(iter([Request(odd, (Slot(odd.index(b"0" * 28)),))]))
    carried = engine.carry(plain_plan_of(2, pool=pool), each(say(OK)))
    assert carried.outcomes == ["ok", "ok"]
    assert [asked.body for asked in carried.server.asked] == [b"abc", b"abc"]


def test_a_large_request_goes_out_whole(engine: Engine) -> None:
    pool = pool_of(iter([chat_request("x" * 3_000_000)]))
    record = engine.carry(plan_of(pool=pool), each(say(chat_stream(2)))).only
    assert record["outcome"] == 0
    assert record["request_bytes"] > 3_000_000


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nCONTENT-LENGTH:5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \t 5 \r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 A reason of words\r\nX: \r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_header_case_and_blanks_do_not_matter(engine: Engine, head: str) -> None:
    assert engine.carry(plain_plan_of(2), each(say(head.encode() + b"hello"))).outcomes == ["ok", "ok"]


def test_lf_only_line_ends_are_taken_or_refused_but_never_waited_for(engine: Engine) -> None:
    answer = OK.replace(b"\r\n", b"\n")
    outcomes = engine.carry(plain_plan_of(1, timeout_ns=30_000 * MS), each(say_and_close(answer))).outcomes
    assert outcomes[0] in ("ok", "protocol_error")


def test_chunks_with_extensions_and_trailers_are_the_body(engine: Engine) -> None:
    events = b"".join(chat_events(2))
    body = (
        f'{len(events):X};name=value;other="a b"\r\n'.encode()
        + events
        + b"\r\n0;last\r\nX-Checksum: 1\r\nX-B: 2\r\n\r\n"
    )
    carried = engine.carry(plan_of(2), each(say(chunked_head() + body)))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.records["n_events"].tolist() == [2, 2]
    assert carried.server.n_connections == 1


def test_chunks_cut_at_every_byte_are_the_same_body(engine: Engine) -> None:
    answer = chunked([b"hello", b" ", b"world" * 5], "text/plain")
    answers = [say(answer[:cut], answer[cut:]) for cut in range(1, len(answer))]
    carried = engine.carry(plain_plan_of(len(answers)), each(*answers))
    assert set(carried.outcomes) == {"ok"}
    assert set(carried.records["response_bytes"].tolist()) == {len(answer)}
    assert carried.server.n_connections == 1


@pytest.mark.parametrize("interim", ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"])
def test_an_interim_answer_is_passed_over(engine: Engine, interim: str) -> None:
    carried = engine.carry(plan_of(2), each(say(interim.encode() * 2 + completion())))
    assert carried.outcomes == ["ok", "ok"]
    assert set(carried.records["http_status"].tolist()) == {200}


def test_204_has_no_body(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(3), each(say(b"HTTP/1.1 204 No Content\r\n\r\n")))
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 1


def test_a_length_of_zero_has_no_body(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(3), each(say(whole(b""))))
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 1


def test_304_has_no_body_whatever_its_length_says(engine: Engine) -> None:
    said = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
    carried = engine.carry(plain_plan_of(3), each(say(said)))
    assert carried.outcomes == ["client_error"] * 3
    assert carried.server.n_connections == 1


def test_the_close_ends_a_body_without_length(engine: Engine) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
    record = engine.carry(plain_plan_of(), each(say_and_close(answer))).only
    assert (record["outcome"], record["response_bytes"]) == (0, len(answer))


def test_http_1_0_closes_after_each_answer(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(3), each(say_and_close(OK.replace(b"HTTP/1.1", b"HTTP/1.0"))))
    assert carried.outcomes == ["ok"] * 3


def test_connection_close_after_each_answer_is_obeyed(engine: Engine) -> None:
    """The server says close and leaves it to the client."""
    carried = engine.carry(plain_plan_of(3), each(say(whole(b"hello", more="Connection: close\r\n"))))
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 3


def test_a_kept_connection_that_was_closed_while_idle_is_replaced(engine: Engine) -> None:
    """The next request is due long after the close has come, and must not be sent into it."""
    plan = plain_plan_of(3, draw=closed([0, 200 * MS]))
    carried = engine.carry(plan, each(say_and_close(OK)))
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 3


@pytest.mark.parametrize("end", [say_and_close, say_and_reset])
@pytest.mark.parametrize("plan", [plan_of, plain_plan_of])
def test_a_kept_connection_that_ends_upon_a_request_is_replaced_and_the_request_sent_again(
    engine: Engine, plan: Callable[..., Plan], end: Callable[..., Answer]
) -> None:
    """Servers close kept connections when they like: a close that meets a request is nobody's failure."""
    carried = engine.carry(plan(4), each(say(completion()), end(), say(completion())), resent=1)
    assert carried.outcomes == ["ok"] * 4
    assert carried.server.n_connections == 2
    assert len(carried.server.asked) == 5
    assert carried.server.asked[1].raw == carried.server.asked[2].raw
    assert carried.by_index[1]["planned_at_ns"] == carried.by_index[0]["done_at_ns"]


def test_a_server_that_closes_behind_every_answer_fails_nothing(engine: Engine) -> None:
    carried = engine.carry(plan_of(20, connections=4), each(say_and_close(completion())), resent=None)
    assert carried.outcomes == ["ok"] * 20


def test_a_new_connection_that_ends_upon_a_request_is_a_reset_and_the_next_one_reconnects(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(4), each(say(OK), say_and_close(), say_and_close(), say(OK)), resent=1)
    assert carried.outcomes == ["ok", "reset", "ok", "ok"]
    assert len(carried.server.asked) == 5, "a request was sent too often, or not at all"
    failed = carried.by_index[1]
    assert failed["sent_at_ns"] != NEVER
    assert failed["error"]
    assert failed["done_at_ns"] == NEVER


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\ndata: ",
        chunked_head() + b"5\r\nhel",
        chunked_head() + chunk(b": hello\n\n"),
        chunked_head() + chunk(chat_events(1)[1]) + b"0\r\n",
    ],
)
@pytest.mark.parametrize("end", [say_and_close, say_and_reset])
def test_an_end_before_the_answer_is_whole_is_a_reset(engine: Engine, said: bytes, end: object) -> None:
    carried = engine.carry(plan_of(2), each(end(said), say(completion())))  # type: ignore[operator]
    assert carried.outcomes == ["reset", "ok"]
    assert carried.by_index[0]["error"]


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}",
        chunked_head("application/json") + b"zz\r\n{}\r\n0\r\n\r\n",
        chunked_head("application/json") + b"2\r\n{}XX0\r\n\r\n",
        chunked_head("application/json") + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_malformed_http_is_a_protocol_error_and_the_next_request_is_not_hurt(engine: Engine, said: bytes) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(said)
        await peer.lost()
        await peer.close()

    carried = engine.carry(plan_of(2), each(answer, say(completion())))
    assert carried.outcomes == ["protocol_error", "ok"]
    assert carried.by_index[0]["error"]


def test_a_server_that_speaks_first_is_no_http_server(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"220 mail.test ESMTP\r\n")
        await peer.lost()

    outcomes = engine.carry(plain_plan_of(3), script).outcomes
    assert set(outcomes) <= {"protocol_error", "reset"}


def test_a_folded_header_is_refused(engine: Engine) -> None:
    said = b"HTTP/1.1 200 OK\r\nX-Long: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"
    assert engine.carry(plain_plan_of(2), each(say_and_close(said), say(OK))).outcomes == ["protocol_error", "ok"]


def test_a_huge_header_is_refused_and_not_kept(engine: Engine) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * (1 << 20))
        await peer.lost()
        await peer.close()

    assert engine.carry(plain_plan_of(2), each(answer, say(OK))).outcomes == ["protocol_error", "ok"]


def test_a_header_without_end_is_refused(engine: Engine) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        line = b"X-Again: " + b"y" * 1000 + b"\r\n"
        while not peer.writer.is_closing():
            await peer.send(line * 64)

    assert engine.carry(plain_plan_of(2), each(answer, say(OK))).outcomes == ["protocol_error", "ok"]


def test_a_switch_to_another_protocol_is_a_protocol_error(engine: Engine) -> None:
    said = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    assert engine.carry(plain_plan_of(2), each(say_and_close(said), say(OK))).outcomes == ["protocol_error", "ok"]


def test_bytes_beyond_the_length_never_reach_the_next_answer(engine: Engine) -> None:
    """A length that is too short: the rest looks like an answer, and must not be taken for the next request's."""
    forged = whole(b"forged", status="500 Forged")
    carried = engine.carry(plain_plan_of(4, draw=closed([0, 100 * MS])), each(say(OK + forged), say(OK)))
    assert carried.outcomes == ["ok"] * 4
    assert carried.server.n_connections >= 2


def test_bytes_on_an_idle_connection_never_reach_the_next_answer(engine: Engine) -> None:
    forged = whole(b"forged", status="500 Forged")
    answered = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 0:
            await answered.wait()
            await peer.send(forged)
        await peer.lost()

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished == 1)
        answered.set()

    carried = engine.carry(plain_plan_of(2, draw=closed([0, 500 * MS])), script, during=watch)
    assert carried.outcomes == ["ok", "ok"]
    assert carried.server.n_connections == 2


def test_a_body_compressed_unasked_is_a_protocol_error(engine: Engine) -> None:
    said = whole(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00", more="Content-Encoding: gzip\r\n")
    assert engine.carry(plan_of(), each(say_and_close(said))).outcomes == ["protocol_error"]


def test_an_answer_before_the_body_is_read_counts(engine: Engine) -> None:
    """A server that refuses a large body at once, and closes: its answer is the outcome, not the broken pipe."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(whole(b'{"error":"too large"}', status="413 Content Too Large", more="Connection: close\r\n"))
        await peer.lost()

    pool = pool_of(iter([chat_request("x" * 8_000_000)]))
    carried = engine.carry(plan_of(pool=pool), script, early=True)
    assert carried.outcomes == ["client_error"]
    assert carried.only["http_status"] == 413
    assert b"too large" in carried.only["error"]


def test_an_answer_before_a_small_body_is_read_keeps_the_connection_in_step(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        while True:
            asked = await peer.head()
            await peer.send(completion())
            await peer.body(asked)

    carried = engine.carry(plan_of(3), script)
    assert carried.outcomes == ["ok"] * 3


def test_ipv6_is_served(engine: Engine) -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    carried = engine.carry(plan_of(2), each(say(chat_stream(2))), family=socket.AF_INET6)
    assert carried.outcomes == ["ok", "ok"]


def test_large_bodies_are_counted_and_not_kept(engine: Engine) -> None:
    body = bytes(5_000_000)
    record = engine.carry(plain_plan_of(), each(say(whole(body)))).only
    assert record["outcome"] == 0
    assert record["response_bytes"] == len(whole(body))


def test_an_event_line_without_end_is_a_protocol_error(engine: Engine) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(chunked_head() + chunk(b"data: "))
        piece = chunk(b"x" * (1 << 20))
        for _ in range(40):
            await peer.send(piece)
        await peer.send(LAST_CHUNK)

    carried = engine.carry(plan_of(2, operations=(CHAT,)), each(answer, say(completion())))
    assert carried.outcomes == ["protocol_error", "ok"]


def test_open_connections_are_reused_in_an_open_loop(engine: Engine) -> None:
    when_ns = [number * 20 * MS for number in range(10)]
    carried = engine.carry(open_plan_of(when_ns, connections=2), each(say(completion())))
    assert carried.outcomes == ["ok"] * 10
    assert carried.server.n_connections <= 2
