"""HTTP/1.1 as a server meets it."""

import pytest
from simulator_client import Client, ask, chat, request

CHAT = "/v1/chat/completions"


def test_one_connection_carries_many_requests(url):
    with Client(url) as client:
        for n_tokens in range(1, 20):
            assert len(client.ask("POST", CHAT, chat(n_tokens)).tokens) == n_tokens
            assert client.ask("GET", "/plain").status == 200


def test_connection_close_is_said_and_done(url):
    for path, body in (("/plain", None), (CHAT, chat(2))):
        with Client(url) as client:
            answer = client.ask("GET" if body is None else "POST", path, body, Connection="close")
            assert answer.headers["connection"] == "close"
            assert answer.ending == "complete"
            assert client.is_at_end()


def test_http_1_0_is_closed_after_the_answer(url):
    with Client(url) as client:
        client.send(b"GET /plain HTTP/1.0\r\n\r\n")
        assert client.answer().body == b"hello world\n"
        assert client.is_at_end()


def test_pipelined_requests_are_answered_in_turn(url):
    with Client(url) as client:
        client.send(request("GET", "/plain") + request("POST", CHAT, chat(3)) + request("GET", "/health") * 2)
        assert client.answer().body == b"hello world\n"
        assert len(client.answer().tokens) == 3
        assert client.answer().json == {"status": "ok"}
        assert client.answer().json == {"status": "ok"}


def test_request_cut_at_every_byte_is_the_same_request(url):
    whole = request("POST", CHAT, chat(2, stream=False), X_Request_Id="r1")
    with Client(url) as client:
        for cut in range(1, len(whole)):
            client.send(whole[:cut])
            client.send(whole[cut:])
            assert client.answer().json["usage"]["completion_tokens"] == 2


def test_request_byte_by_byte_is_the_same_request(url):
    with Client(url) as client:
        for byte in request("POST", CHAT, chat(3)):
            client.send(bytes([byte]))
        assert len(client.answer().tokens) == 3


def test_chunked_request_body_is_read(url):
    head = f"POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b'7;name=value\r\n{"strea\r\n1B\r\nm": true, "max_tokens": 3 }\r\n0\r\nTrailer: x\r\n\r\n'
    for pieces in ([head + body], [head, *(bytes([byte]) for byte in body)]):
        with Client(url) as client:
            for piece in pieces:
                client.send(piece)
            assert len(client.answer().tokens) == 3


def test_body_of_megabytes_is_read_and_its_words_are_counted(url):
    body = chat(1, messages=[{"role": "user", "content": "word " * 1_000_000}], stream=False)
    assert ask(url, "POST", CHAT, body).json["usage"]["prompt_tokens"] == 1_000_000


def test_client_that_expects_100_gets_it_first(url):
    body = b'{"max_tokens": 1}'
    with Client(url) as client:
        client.send(f"POST {CHAT} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert client.answer(without_body=True).status == 100
        client.send(body)
        assert client.answer().json["usage"]["completion_tokens"] == 1


def test_head_has_no_body(url):
    with Client(url) as client:
        client.send(request("HEAD", "/plain"))
        assert client.answer(without_body=True).headers["content-length"] == "12"
        assert client.ask("GET", "/health").status == 200


def test_header_names_and_line_ends_are_taken_as_they_come(url):
    with Client(url) as client:
        client.send(f"\r\nPOST {CHAT} HTTP/1.1\ncOnTeNt-LeNgTh:17\n\n".encode() + b'{"max_tokens": 1}')
        assert client.answer().status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET /plain HTTP/2.0\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400_and_closed(url, data):
    with Client(url) as client:
        client.send(data)
        assert client.answer().status == 400
        assert client.is_at_end()


def test_endless_head_is_431_and_closed(url):
    with Client(url) as client:
        client.send(b"GET /plain HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 65536)
        assert client.answer().status == 431


def test_slow_reader_gets_every_token_in_order(start):
    url = start(ttft_ms=0, itl_ms=0).url
    with Client(url, receive_bytes=4096) as slow, Client(url) as quick:
        slow.send(request("POST", CHAT, chat(20_000)))
        assert len(quick.ask("POST", CHAT, chat(500)).tokens) == 500
        answer = slow.answer()
    assert answer.tokens == [f" tok{i}" for i in range(1, 20_001)]
    assert _metric(url, "loadgen_simulator_blocked_writes_total") > 0


def test_hundreds_of_connections_at_once(start, connect):
    url = start(ttft_ms=20, itl_ms=2).url
    clients = [connect(url) for _ in range(300)]
    for client in clients:
        client.send(request("POST", CHAT, chat(10)))
    assert all(len(client.answer().tokens) == 10 for client in clients)


def _metric(url: str, name: str) -> float:
    lines = ask(url, "GET", "/metrics").body.decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.split()[0].split("{")[0] == name)
