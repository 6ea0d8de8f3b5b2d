"""Replies of Redis, cut in every way."""

from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_resp import BLANK, Said, resp


def joined(said: Said) -> Said:
    """With the pieces of a string as one, and without an error's reason."""
    together: Said = []
    for name, what in said:
        if name == "body" and together and together[-1][0] == "body":
            together[-1] = ("body", together[-1][1] + what)
        else:
            together.append((name, None if name == "error" else what))
    return together


def done(kind: str, **facts: Any) -> tuple[str, Any]:
    return ("done", {**BLANK, "kind": kind, **facts})


REPLIES: dict[str, tuple[bytes, Said]] = {
    "a simple string": (b"+PONG\r\n", [done("+")]),
    "an empty simple string": (b"+\r\n", [done("+")]),
    "an error": (
        b"-ERR unknown command 'FOO'\r\n",
        [done("-", is_error=True, error=b"ERR unknown command 'FOO'", error_code=b"ERR")],
    ),
    "an error of one word": (b"-NOAUTH\r\n", [done("-", is_error=True, error=b"NOAUTH", error_code=b"NOAUTH")]),
    "an error whose first word is long": (
        b"-" + b"X" * 30 + b" y\r\n",
        [done("-", is_error=True, error=b"X" * 30 + b" y", error_code=b"X" * 23)],
    ),
    "an empty error": (b"-\r\n", [done("-", is_error=True)]),
    "an integer": (b":1000\r\n", [done(":", integer=1000)]),
    "integers with signs": (b":-12\r\n:+7\r\n:0\r\n", [done(":", integer=n) for n in (-12, 7, 0)]),
    "the largest and the smallest integer": (
        b":9223372036854775807\r\n:-9223372036854775808\r\n",
        [done(":", integer=2**63 - 1), done(":", integer=-(2**63))],
    ),
    "an integer with zeros before it": (b":" + b"0" * 40 + b"5\r\n", [done(":", integer=5)]),
    "a bulk string": (b"$5\r\nhello\r\n", [("body", b"hello"), done("$")]),
    "an empty bulk string": (b"$0\r\n\r\n", [done("$")]),
    "a bulk string of line ends": (b"$6\r\n\r\n\r\n\r\n\r\n", [("body", b"\r\n" * 3), done("$")]),
    "a null bulk string": (b"$-1\r\n", [done("$", is_null=True)]),
    "an array": (b"*2\r\n$3\r\nGET\r\n:1\r\n", [done("*", n_items=2)]),
    "an empty array": (b"*0\r\n", [done("*", n_items=0)]),
    "a null array": (b"*-1\r\n", [done("*", is_null=True)]),
    "nested arrays": (b"*2\r\n*1\r\n*0\r\n*2\r\n$-1\r\n*-1\r\n", [done("*", n_items=2)]),
    "an error in an array": (b"*2\r\n-ERR no\r\n+OK\r\n", [done("*", n_items=2)]),
    "a null": (b"_\r\n", [done("_", is_null=True)]),
    "a null in an array": (b"*1\r\n_\r\n", [done("*", n_items=1)]),
    "booleans": (b"#t\r\n#f\r\n", [done("#", integer=1), done("#", integer=0)]),
    "doubles": (b",1.23\r\n,inf\r\n,-1e-9\r\n", [done(",")] * 3),
    "a big number": (b"(3492890328409238509324850943850943825024385\r\n", [done("(")]),
    "a verbatim string": (b"=15\r\ntxt:Some string\r\n", [("body", b"Some string"), done("=")]),
    "an empty verbatim string": (b"=4\r\nmkd:\r\n", [done("=")]),
    "a blob error": (
        b"!21\r\nSYNTAX invalid syntax\r\n",
        [done("!", is_error=True, error=b"SYNTAX invalid syntax", error_code=b"SYNTAX")],
    ),
    "a map": (b"%2\r\n+first\r\n:1\r\n$6\r\nsecond\r\n:2\r\n", [done("%", n_items=4)]),
    "a set": (b"~2\r\n+a\r\n+b\r\n", [done("~", n_items=2)]),
    "an attribute before a reply": (
        b"|1\r\n+key-popularity\r\n%1\r\n$1\r\na\r\n,0.19\r\n$1\r\nx\r\n",
        [("body", b"x"), done("$")],
    ),
    "an attribute inside an array": (b"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n", [done("*", n_items=3)]),
    "empty attributes": (b"|0\r\n|0\r\n*1\r\n|0\r\n:1\r\n", [done("*", n_items=1)]),
    "an attribute with an error in it": (b"|1\r\n+a\r\n-ERR x\r\n+OK\r\n", [done("+")]),
    "pushes around replies": (
        b">3\r\n+message\r\n+c\r\n$2\r\nhi\r\n$3\r\nGet\r\n>0\r\n>1\r\n*1\r\n:1\r\n:7\r\n",
        [("body", b"Get"), done("$"), done(":", integer=7)],
    ),
    "many replies": (b"+OK\r\n:1\r\n$1\r\na\r\n-X y\r\n*1\r\n_\r\n", [
        done("+"), done(":", integer=1), ("body", b"a"), done("$"),
        done("-", is_error=True, error=b"X y", error_code=b"X"), done("*", n_items=1),
    ]),
    "arrays nested 32 deep": (b"*1\r\n" * 32 + b":1\r\n", [done("*", n_items=1)]),
    "an empty array below 32 others": (b"*1\r\n" * 32 + b"*0\r\n", [done("*", n_items=1)]),
    "nothing": (b"", []),
}  # fmt: skip


@pytest.mark.parametrize(("replies", "said"), REPLIES.values(), ids=REPLIES)
def test_replies_are_read_the_same_wherever_they_are_cut(probe: Any, replies: bytes, said: Said) -> None:
    assert resp(replies) == said
    for reads in every_cut(replies):
        assert joined(probe.resp(reads)) == said, reads


@pytest.mark.parametrize("replies", [replies for replies, _ in REPLIES.values()], ids=REPLIES)
@pytest.mark.parametrize("behind", [b"x", b"\r\n", b"+OK\r\n", b"$9\r\nab"])
def test_what_follows_a_reply_is_another_one(probe: Any, replies: bytes, behind: bytes) -> None:
    assert joined(probe.resp([replies + behind])) == resp(replies + behind)
    assert joined(probe.resp([replies, behind])) == resp(replies + behind)


@pytest.mark.parametrize("replies", [replies for replies, _ in REPLIES.values()], ids=REPLIES)
def test_a_reply_that_is_cut_off_wants_more(probe: Any, replies: bytes) -> None:
    for at in range(len(replies)):
        assert joined(probe.resp([replies[:at]])) == resp(replies[:at])


BAD = {
    "another type": (b"?1\r\n", "no type of RESP"),
    "an inline text": (b"HTTP/1.1 400 Bad Request\r\n", "no type of RESP"),
    "a line feed alone after a line": (b"+OK\n", "bare line feed"),
    "a carriage return alone after a line": (b"+OK\r+", "bare line feed"),
    "no digits": (b":\r\n", "malformed"),
    "a sign alone": (b":-\r\n", "malformed"),
    "two signs": (b":--1\r\n", "malformed"),
    "letters": (b":1a\r\n", "malformed"),
    "a line feed alone after a number": (b":1\n", "malformed"),
    "an integer too large": (b":9223372036854775808\r\n", "malformed"),
    "an integer too small": (b":-9223372036854775809\r\n", "malformed"),
    "an integer much too large": (b":" + b"9" * 60 + b"\r\n", "malformed"),
    "a length with a plus": (b"$+1\r\na\r\n", "malformed"),
    "a length of -2": (b"$-2\r\n", "malformed"),
    "a length of -0": (b"*-0\r\n", "malformed"),
    "a null map": (b"%-1\r\n", "malformed"),
    "a null blob error": (b"!-1\r\n", "malformed"),
    "a streamed string": (b"$?\r\n;4\r\nHell\r\n;0\r\n", "malformed"),
    "a verbatim string without its prefix": (b"=3\r\ntxt\r\n", "malformed"),
    "a boolean that is neither": (b"#x\r\n", "malformed"),
    "a boolean too long": (b"#true\r\n", "malformed"),
    "a null with a text": (b"_x\r\n", "malformed"),
    "a string longer than its length": (b"$1\r\nab\r\n", "does not end where"),
    "a string that ends with a line feed alone": (b"$1\r\na\n\n", "does not end where"),
    "a string that ends with a carriage return alone": (b"$1\r\na\r\r", "does not end where"),
    "a string too long": (b"$536870913\r\n", "longer than 512 MiB"),
    "a string much too long": (b"$99999999999999999999999999\r\n", "longer than 512 MiB"),
    "an aggregate too long": (b"*1073741824\r\n", "2^30 elements"),
    "a map too long": (b"%1073741824\r\n", "2^30 elements"),
    "arrays nested 33 deep": (b"*1\r\n" * 33, "deeper than 32"),
    "an attribute nested too deep": (b"*1\r\n" * 32 + b"|1\r\n", "deeper than 32"),
    "a line too long": (b"+" + b"x" * 65537 + b"\r\n", "longer than 64 KiB"),
    "a number too long": (b":" + b"0" * 65537 + b"\r\n", "longer than 64 KiB"),
}


@pytest.mark.parametrize(("reply", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_reply_is_refused_wherever_it_is_cut(probe: Any, reply: bytes, reason: str) -> None:
    assert resp(reply)[-1] == ("error", None)
    for behind in (b"", b"+OK\r\n"):
        for reads in every_cut(reply + behind) if len(reply) < 1000 else ([reply], [reply[:9], reply[9:]]):
            said = probe.resp([b"+OK\r\n", *reads])
            assert joined(said) == [done("+"), *resp(reply)]
            assert reason in said[-1][1]


def test_the_longest_line_and_a_string_of_many_reads_are_read(probe: Any) -> None:
    assert joined(probe.resp([b"+" + b"x" * 65536 + b"\r\n"])) == [done("+")]
    assert joined(probe.resp([b"$65537\r\n", b"x" * 65536, b"y", b"\r\n"])) == [
        ("body", b"x" * 65536 + b"y"),
        done("$"),
    ]
    assert joined(probe.resp([b"%1073741823\r\n", b"$536870912\r\n"])) == []


def test_an_error_keeps_its_first_bytes_as_one_line_of_utf8(probe: Any) -> None:
    for reads in every_cut(b"-E\xff\tRR  \xc3\xa9" + b"x" * 120 + b"\r\n"):
        ((_, reply),) = probe.resp(reads)
        assert (reply["error"], reply["error_code"]) == ("E? RR é".encode() + b"x" * 100, b"E? RR")


TEXTS = st.text(max_size=12).map(lambda text: text.replace("\r", "").replace("\n", "").encode())
LINES = st.one_of(
    st.tuples(st.sampled_from([b"+", b"-"]), TEXTS).map(b"".join),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b":%d" % number),
    st.sampled_from([b"_", b"#t", b"#f", b",-1.5e3", b",nan", b"(-123456789012345678901234567890", b"$-1", b"*-1"]),
).map(lambda line: line + b"\r\n")
STRINGS = st.one_of(
    st.tuples(st.just(b"$"), st.binary(max_size=40)),
    st.tuples(st.just(b"="), st.binary(max_size=20).map(lambda text: b"txt:" + text)),
    st.tuples(st.just(b"!"), st.text(max_size=20).map(str.encode)),
).map(lambda string: b"%s%d\r\n%s\r\n" % (string[0], len(string[1]), string[1]))


@st.composite
def aggregates(draw: st.DrawFn) -> bytes:
    """Arrays, sets and maps, and attributes with the value that they are about."""
    kind = draw(st.sampled_from([b"*", b"~", b"%", b"|"]))
    is_of_pairs = kind in b"%|"
    items = draw(st.lists(VALUES, max_size=4).filter(lambda items: not is_of_pairs or len(items) % 2 == 0))
    if kind == b"|":
        return b"|%d\r\n" % (len(items) // 2) + b"".join(items) + draw(VALUES)
    return b"%s%d\r\n" % (kind, len(items) // (1 + is_of_pairs)) + b"".join(items)


VALUES: st.SearchStrategy[bytes] = st.deferred(lambda: LINES | STRINGS | aggregates())
PUSHES = st.lists(VALUES, max_size=3).map(lambda items: b">%d\r\n" % len(items) + b"".join(items))
PLACES = st.lists(st.integers(0, 3000), max_size=8)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    return b"".join(draw(st.lists(VALUES | PUSHES, max_size=5)))


@given(stream=streams(), places=PLACES)
@settings(max_examples=400, deadline=None)
def test_generated_replies_are_read_as_the_reference_says(probe: Any, stream: bytes, places: list[int]) -> None:
    assert joined(probe.resp(cut_at(stream, places))) == resp(stream)


DAMAGE = st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"-", b"0", b"9", b"$", b"*", b"|", b">", b"x", b"_\r\n", b"+"])


@given(stream=streams(), at=st.integers(0, 3000), damage=DAMAGE, n_cut=st.integers(0, 3), places=PLACES)
@settings(max_examples=600, deadline=None)
def test_damaged_replies_are_read_as_the_reference_says(
    probe: Any, stream: bytes, at: int, damage: bytes, n_cut: int, places: list[int]
) -> None:
    at %= len(stream) + 1
    damaged = stream[:at] + damage + stream[at + n_cut :]
    said = joined(probe.resp(cut_at(damaged, places)))
    assert said == joined(probe.resp([damaged]))
    try:
        expected = resp(damaged)
    except UnicodeDecodeError:  # an error's text is cut within a character: the reference reads good UTF-8 only
        return
    assert said == expected
