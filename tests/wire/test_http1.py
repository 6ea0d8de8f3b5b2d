"""HTTP/1 responses, well and badly made, cut in every way."""

from collections.abc import Callable
from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import http1 as expected_http1

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Said = list[tuple[Any, ...]]


@pytest.fixture(scope="session")
def read(probe: Any) -> Callable[..., Said]:
    """read(reads, head=False, eof=False): what the parser says, the body joined."""

    def joined(reads: list[bytes], **settings: bool) -> Said:
        said = probe.http1(reads, **settings)
        body = b"".join(piece for kind, *(piece, *_) in said if kind == "body")
        before = [item for item in said if item[0] == "head"]
        after = [item for item in said if item[0] in ("done", "error")]
        return [*before, *([("body", body)] if body else []), *after]

    return joined


def without_reason(said: Said) -> Said:
    return [item[:1] if item[0] == "error" else item for item in said]


GOOD = {
    "length": OK + HELLO,
    "no reason phrase": b"HTTP/1.1 200 \r\n" + HELLO,
    "no blank after the status": b"HTTP/1.1 200\r\n" + HELLO,
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "mixed line ends": b"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 5\n\r\nhello",
    "empty body": OK + b"Content-Length: 0\r\n\r\n",
    "header case": OK + b"cOnTeNt-LeNgTh: 5\r\nCONNECTION: Close\r\n\r\nhello",
    "blanks around the value": OK + b"Content-Length: \t 5 \t\r\n\r\nhello",
    "no blank before the value": OK + b"Content-Length:5\r\n\r\nhello",
    "empty value": OK + b"X-Empty:\r\n" + HELLO,
    "value of bytes above ASCII": OK + b"X-Name: J\xc3\xbcrgen \xff\r\n" + HELLO,
    "value with colons and tabs": OK + b"X-Time: 12:30\t:00\r\n" + HELLO,
    "lengths that agree": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths that agree": OK + b"Content-Length: 5, 5 ,05\r\n\r\nhello",
    "a name that is almost another": OK + b"Content-Lengths: 9\r\nXContent-Length: 8\r\n" + HELLO,
    "a name longer than any that is known": OK + b"X-" + b"a" * 80 + b": 1\r\n" + HELLO,
    "chunks": CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "chunks with line feeds alone": CHUNKED + b"5\nhello\n0\n\n",
    "chunk sizes in both cases and with zeros": CHUNKED + b"00a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n",
    "chunk extensions": CHUNKED + b'5;a=b;c\r\nhello\r\n1 ; q="x;\\"" \r\n!\r\n0;last\r\n\r\n',
    "a quoted chunk extension": CHUNKED + b'5 ;a="; \\" 0"; b="\\\\"\r\nhello\r\n0\r\n\r\n',
    "trailers": CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: nonsense\r\n\r\n",
    "no chunk but the last": CHUNKED + b"0\r\n\r\n",
    "name of the coding in capitals": OK + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    "empty words in the list of codings": OK + b"Transfer-Encoding: , chunked,\r\n\r\n0\r\n\r\n",
    "chunks and a length": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks from HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n" + OK + HELLO,
    "no content": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
    "keep-alive of 1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + HELLO,
    "no keep-alive of 1.0": b"HTTP/1.0 200 OK\r\n" + HELLO,
    "close in a list": OK + b"Connection: foo, bar,close ,x\r\n" + HELLO,
    "close in a second line": OK + b"Connection: keep-alive\r\nConnection: close\r\n" + HELLO,
    "close wins over keep-alive of 1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n" + HELLO,
    "a word that only holds close": OK + b"Connection: close-not, xclose, close now\r\n" + HELLO,
    "a later version": b"HTTP/1.9 200 OK\r\n" + HELLO,
    "identity coding": OK + b"Content-Encoding: identity, IDENTITY,\r\n" + HELLO,
    "nothing, but compressed": OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    "event stream": OK + b"Content-Type: text/event-stream; charset=utf-8\r\n" + HELLO,
    "event stream without a blank": OK + b"Content-Type: Text/Event-Stream;charset=utf-8\r\n" + HELLO,
    "lines of JSON": OK + b"Content-Type: application/x-ndjson\r\n" + HELLO,
    "JSON": OK + b"content-type:application/json\r\n" + HELLO,
    "problem details": OK + b"Content-Type: application/problem+json\r\n" + HELLO,
    "a page": OK + b"Content-Type: text/html, x\r\nContent-Type: text/html\r\n" + HELLO,
    "a type longer than any that is known": OK + b"Content-Type: text/" + b"x" * 60 + b"+json\r\n" + HELLO,
    "retry after seconds": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n" + HELLO,
    "retry after an age": b"HTTP/1.1 429 x\r\nRetry-After: 99999999999999999999\r\n" + HELLO,
    "retry after a date": b"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n" + HELLO,
}


@pytest.mark.parametrize("response", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("trailing", [b"", b"HTTP/1.1 200 OK\r\n", b"\0"], ids=["alone", "then another", "then junk"])
def test_a_response_reads_the_same_wherever_it_is_cut(read: Any, response: bytes, trailing: bytes) -> None:
    expected = expected_http1(response + trailing)
    assert expected[-1][0] == "done"
    assert expected[-1][2] == trailing
    for reads in every_cut(response + trailing):
        assert read(reads) == expected, reads


@pytest.mark.parametrize("response", GOOD.values(), ids=GOOD)
def test_a_response_to_head_has_no_body(read: Any, response: bytes) -> None:
    for reads in every_cut(response):
        assert read(reads, head=True) == expected_http1(response, head=True), reads


@pytest.mark.parametrize("response", GOOD.values(), ids=GOOD)
def test_a_response_that_the_close_cuts_is_an_error_at_every_place(read: Any, response: bytes) -> None:
    for end in range(len(response)):
        assert without_reason(read([response[:end]], eof=True)) == expected_http1(response[:end], eof=True)


@pytest.mark.parametrize("head", [OK, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", OK + b"A: b\r\n"])
def test_a_body_without_a_length_lasts_until_the_close(read: Any, head: bytes) -> None:
    for reads in every_cut(head + b"\r\nhello\r\n\r\nworld"):
        assert read(reads) == [("head", 200, "other", False, -1), ("body", b"hello\r\n\r\nworld")]
        assert read(reads, eof=True)[-1] == ("done", False, b"")


BAD = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "status line"),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", "status line"),
    "lower case": (b"http/1.1 200 OK\r\n\r\n", "status line"),
    "a line before the status": (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "status line"),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", "status line"),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "status line"),
    "a status that begins with 0": (b"HTTP/1.1 020 OK\r\n\r\n", "status line"),
    "two blanks before the status": (b"HTTP/1.1  200 OK\r\n\r\n", "status line"),
    "a reason with NUL": (b"HTTP/1.1 200 O\0K\r\n\r\n", "status line"),
    "a reason with a bare CR": (b"HTTP/1.1 200 O\rK\r\n\r\n", "carriage return"),
    "a protocol switch": (b"HTTP/1.1 101 Switching\r\n\r\n", "another protocol"),
    "a folded line": (OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", "folded"),
    "a blank before the first name": (OK + b" A: b\r\n\r\n", "folded"),
    "a blank before the colon": (OK + b"Content-Length : 5\r\n\r\nhello", "header name"),
    "no colon": (OK + b"Content-Length 5\r\n\r\nhello", "header name"),
    "no name": (OK + b": 5\r\n\r\nhello", "header name"),
    "a name with a quote": (OK + b'A"b: 5\r\n\r\nhello', "header name"),
    "a name above ASCII": (OK + b"\xc3\xa4: 5\r\n\r\nhello", "header name"),
    "NUL in a name": (OK + b"A\0: 5\r\n\r\nhello", "header name"),
    "NUL in a value": (OK + b"A: 5\0\r\n\r\nhello", "control character"),
    "NUL in a length": (OK + b"Content-Length: 5\0\r\n\r\nhello", "control character"),
    "a bare CR in a value": (OK + b"A: b\rC: d\r\n\r\n", "carriage return"),
    "a bare CR in a length": (OK + b"Content-Length: 5\r6\r\n\r\n", "carriage return"),
    "a bare CR for the empty line": (OK + b"A: b\r\n\rx", "carriage return"),
    "lengths that differ": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length"),
    "a list of lengths that differ": (OK + b"Content-Length: 5, 6\r\n\r\nhello", "Content-Length"),
    "an empty length": (OK + b"Content-Length:\r\n\r\nhello", "Content-Length"),
    "an empty length in a list": (OK + b"Content-Length: 5,,5\r\n\r\nhello", "Content-Length"),
    "a length with a plus": (OK + b"Content-Length: +5\r\n\r\nhello", "Content-Length"),
    "a length with a minus": (OK + b"Content-Length: -5\r\n\r\nhello", "Content-Length"),
    "a length with a blank inside": (OK + b"Content-Length: 5 5\r\n\r\nhello", "Content-Length"),
    "a hexadecimal length": (OK + b"Content-Length: 0x5\r\n\r\nhello", "Content-Length"),
    "a length of 2^63": (OK + b"Content-Length: 9223372036854775808\r\n\r\n", "Content-Length"),
    "a length of 30 digits": (OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "Content-Length"),
    "gzip before chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    "chunked twice": (OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    "chunked in two lines": (OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", "Transfer-Encoding"),
    "chunked with a parameter": (OK + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    "no coding": (OK + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    "identity for a transfer coding": (OK + b"Transfer-Encoding: identity\r\n" + HELLO, "Transfer-Encoding"),
    "a compressed body": (OK + b"Content-Encoding: gzip\r\n" + HELLO, "compressed"),
    "a body compressed in an unknown way": (OK + b"Content-Encoding: identity, zz\r\n" + HELLO, "compressed"),
    "a compressed body in chunks": (OK + b"Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n", "compressed"),
    "no chunk size": (CHUNKED + b"\r\nhello", "chunk size"),
    "a chunk size with a sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a chunk size after a blank": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a chunk size that is none": (CHUNKED + b"hello\r\n", "chunk size"),
    "a chunk size of 2^63": (CHUNKED + b"8000000000000000\r\n", "chunk size"),
    "a chunk longer than it says": (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", "size says"),
    "a chunk shorter than it says": (CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", "size says"),
    "a bare CR after a chunk": (CHUNKED + b"5\r\nhello\r0\r\n\r\n", "carriage return"),
    "a bare CR after a chunk size": (CHUNKED + b"5\rhello\r\n0\r\n\r\n", "carriage return"),
    "a line end in a quoted extension": (CHUNKED + b'5;a="\r\nhello\r\n0\r\n\r\n', "extension"),
    "NUL in a chunk extension": (CHUNKED + b"5;a\0\r\nhello\r\n0\r\n\r\n", "extension"),
    "a folded trailer": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", "folded"),
    "a trailer without a colon": (CHUNKED + b"0\r\nAb\r\n\r\n", "header name"),
}


@pytest.mark.parametrize(("response", "reason"), BAD.values(), ids=BAD)
def test_a_bad_response_is_refused_with_the_same_reason_wherever_it_is_cut(
    read: Any, response: bytes, reason: str
) -> None:
    whole = read([response])
    assert reason in whole[-1][1]
    for reads in every_cut(response):
        assert read(reads) == whole, reads


LIMITS = {
    "a line": (OK + b"A: " + b"x" * 16382, "longer than 16 KiB"),
    "a name": (OK + b"x" * 16385, "longer than 16 KiB"),
    "the status line": (b"HTTP/1.1 200 " + b"x" * 16384, "longer than 16 KiB"),
    "all lines": (OK + (b"A: " + b"x" * 95 + b"\r\n") * 700, "longer than 64 KiB"),
    "interim heads": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, "longer than 64 KiB"),
    "trailers": (CHUNKED + b"0\r\n" + (b"A: " + b"x" * 95 + b"\r\n") * 700, "longer than 64 KiB"),
    "a chunk size": (CHUNKED + b"0" * 4097, "extension"),
    "a chunk extension": (CHUNKED + b"5;" + b"x" * 4095, "extension"),
}


@pytest.mark.parametrize(("response", "reason"), LIMITS.values(), ids=LIMITS)
def test_what_is_longer_than_its_limit_is_refused_as_soon_as_that_is_seen(
    read: Any, response: bytes, reason: str
) -> None:
    for reads in ([response], [response[i : i + 1] for i in range(len(response))], cut_at(response, [100, 16399])):
        assert reason in read(reads)[-1][1]


def test_what_is_just_within_its_limit_is_read(read: Any) -> None:
    line = b"A: " + b"x" * 16379 + b"\r\n"
    assert read([OK + line + HELLO])[-1][0] == "done"
    assert read([CHUNKED + b"5;" + b"x" * 4093 + b"\r\nhello\r\n0\r\n\r\n"])[-1][0] == "done"
    assert read([CHUNKED + b"7fffffffffffffff\r\nhello"])[-1] == ("body", b"hello")


LINES = st.lists(
    st.sampled_from(
        [
            *(b"Content-Length: 5", b"content-length:5 ", b"Content-Length: 5, 5", b"Content-Length: 6"),
            *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"transfer-encoding:\tChunked"),
            *(b"Connection: close", b"Connection: keep-alive, x", b"Content-Type: text/event-stream;a=b"),
            *(b"Content-Type: application/json", b"X: " + b"y" * 40, b"Retry-After: 12", b"Content-Encoding: gzip"),
            *(b"Content-Encoding: identity", b"Bad Name: x", b" folded", b"A: \x01", b"A:b\x80"),
        ]
    ),
    max_size=5,
)
BODIES = st.one_of(
    st.sampled_from([b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;a\nhello\n0\nT: u\n\n", b"z\r\n", b""]),
    st.binary(max_size=20),
)


@given(
    version=st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.5", b"HTTP/2.0"]),
    status=st.sampled_from([b"200 OK", b"204 x", b"304", b"100 Continue", b"404 Not Found", b"101 x", b"99 x"]),
    lines=LINES,
    line_end=st.sampled_from([b"\r\n", b"\n"]),
    body=BODIES,
    head=st.booleans(),
    places=st.lists(st.integers(0, 400), max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_generated_responses_read_as_the_reference_says(
    read: Any,
    version: bytes,
    status: bytes,
    lines: list[bytes],
    line_end: bytes,
    body: bytes,
    head: bool,
    places: list[int],
) -> None:
    response = line_end.join([version + b" " + status, *lines, b"", body])
    # A bad line is refused at its first bad byte or at its end: both have come, so the reference sees it too.
    response += b"\r\n\r\n"
    expected = expected_http1(response, head=head, eof=True)
    assert without_reason(read(cut_at(response, places), head=head, eof=True)) == expected


@given(response=st.sampled_from(list(GOOD.values())), data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_response_reads_the_same_however_it_is_cut(read: Any, response: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(response) - 1))
    damaged = response[:at] + data.draw(st.binary(max_size=3)) + response[at + data.draw(st.integers(0, 3)) :]
    places = data.draw(st.lists(st.integers(0, len(damaged)), max_size=8))
    assert read(cut_at(damaged, places), eof=True) == read([damaged], eof=True)


@given(response=st.sampled_from(list(GOOD.values())), before=st.sampled_from(list(GOOD.values())), data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_head_seen_before_changes_nothing(read: Any, response: bytes, before: bytes, data: st.DataObject) -> None:
    """Whether it is the same head, another, or one that begins alike."""
    before = data.draw(st.sampled_from([before, response]))
    head, has_body = data.draw(st.booleans()), data.draw(st.booleans())
    after = response if has_body else response[: data.draw(st.integers(0, len(response)))]
    places = data.draw(st.lists(st.integers(0, len(after)), max_size=3))
    reads = cut_at(after, places)
    assert read(reads, head=head, eof=True, before=before) == read(reads, head=head, eof=True)


def test_an_answer_to_head_is_not_taken_for_one_with_a_body(probe: Any) -> None:
    """The same bytes as after a request for them."""
    response = GOOD["length"]
    assert probe.http1([response], head=True, before=response) == probe.http1([response], head=True)
