"""Redis's login and its replies, without a socket: the conversation is driven by hand, its answers cut everywhere."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.targets.redis.login import Credentials
from loadgen.targets.redis.resp import Refusal, Replies, encode_words
from tests.wire.cuts import every_cut

HELLO_REPLY = b"%2\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$5\r\nproto\r\n:3\r\n"
UNKNOWN = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `s3cret`, \r\n"


def drive(conversation: Generator[bytes, bytes, Any], answers: Sequence[Sequence[bytes]]) -> tuple[list[bytes], Any]:
    """What it said, and what it returned. answers: to each saying, in pieces. All must be used up."""
    said: list[bytes] = []
    left = [list(pieces) for pieces in answers]
    try:
        to_send = next(conversation)
        while True:
            if to_send:
                said.append(to_send)
            to_send = conversation.send(left[len(said) - 1].pop(0))
    except StopIteration as end:
        assert not any(any(pieces) for pieces in left), f"not read: {left}"
        return said, end.value


def login(answers: Sequence[bytes], **who: Any) -> list[bytes]:
    """What was said, the same however the answers are cut."""
    sayings = [drive(Credentials(**who).login(), [[answer] for answer in answers])[0]]
    for place, answer in enumerate(answers):
        for pieces in every_cut(answer):
            cut = [[other] for other in answers]
            cut[place] = pieces
            sayings.append(drive(Credentials(**who).login(), cut)[0])
    assert all(said == sayings[0] for said in sayings)
    return sayings[0]


def test_hello_asks_for_resp3() -> None:
    assert login([HELLO_REPLY]) == [encode_words(["HELLO", "3"])]


def test_hello_carries_the_password() -> None:
    assert login([HELLO_REPLY], password="s3cret") == [encode_words(["HELLO", "3", "AUTH", "default", "s3cret"])]
    assert login([HELLO_REPLY], user="joe", password="p w") == [encode_words(["HELLO", "3", "AUTH", "joe", "p w"])]


def test_the_database_is_selected_last() -> None:
    assert login([HELLO_REPLY, b"+OK\r\n"], database=5)[1] == encode_words(["SELECT", "5"])


@pytest.mark.parametrize("refusal", [b"-NOPROTO unsupported protocol version\r\n", UNKNOWN])
def test_a_server_without_hello_is_logged_in_to_with_auth(refusal: bytes) -> None:
    said = login([refusal, b"+OK\r\n", b"+OK\r\n"], password="s3cret", database=2)
    assert said[1:] == [encode_words(["AUTH", "s3cret"]), encode_words(["SELECT", "2"])]
    assert login([refusal]) == [encode_words(["HELLO", "3"])]


def test_resp2_says_no_hello() -> None:
    assert login([], protocol="2") == []
    assert login([b"+OK\r\n"], protocol="2", user="joe", password="p") == [encode_words(["AUTH", "joe", "p"])]


@pytest.mark.parametrize(
    "refusal",
    [
        b"-ERR Client sent AUTH, but no password is set\r\n",
        b"-ERR AUTH <password> called without any password configured for the default user. Are you sure?\r\n",
    ],
)
def test_a_password_that_nobody_asked_for_does_no_harm(refusal: bytes) -> None:
    assert login([refusal], protocol="2", password="p") == [encode_words(["AUTH", "p"])]


@pytest.mark.parametrize(
    ("who", "answers", "words"),
    [
        (
            {"password": "s3cret"},
            [b"-WRONGPASS invalid username-password pair\r\n"],
            "does not accept service.password",
        ),
        ({"user": "joe", "password": "s3cret"}, [b"-WRONGPASS invalid\r\n"], "service.user (joe)"),
        ({"protocol": "2", "password": "s3cret"}, [b"-ERR invalid password\r\n"], "does not accept service.password"),
        ({}, [b"-NOAUTH HELLO must be called with the client already authenticated\r\n"], "wants a password"),
        ({"protocol": "2", "database": 1}, [b"-NOAUTH Authentication required.\r\n"], "wants a password"),
        ({"protocol": "3", "password": "s3cret"}, [UNKNOWN], "does not speak RESP3"),
        ({"database": 99}, [HELLO_REPLY, b"-ERR DB index is out of range\r\n"], "no database 99"),
        ({"database": 1}, [HELLO_REPLY, b"-ERR SELECT is not allowed in cluster mode\r\n"], "this is a cluster node"),
        ({}, [b"-DENIED Redis is running in protected mode\r\n"], "refuses the login: DENIED"),
        ({}, [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"], "this looks like HTTP, not Redis"),
        ({}, [b"<!DOCTYPE HTML>\n<html>"], "this looks like HTTP, not Redis"),
        ({}, [b"\x15\x03\x03\x00\x02\x02\x46"], "this port speaks TLS: write rediss://"),
        ({}, [b"SSH-2.0-OpenSSH_9.2\r\n"], "this looks like SSH, not Redis"),
        ({}, [b"J\x00\x00\x00\x0a8.0.36\x00"], "this looks like MySQL, not Redis"),
        ({}, [b"hello there\r\n"], "this is not Redis: it says b'hello there'"),
    ],
)
def test_a_failed_login_says_why_and_quotes_no_password(who: dict[str, Any], answers: list[bytes], words: str) -> None:
    with pytest.raises(TargetError) as raised:
        drive(Credentials(**who).login(), [[answer] for answer in answers])
    assert words in str(raised.value)
    assert "s3cret" not in str(raised.value)


REPLIES: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b":-12\r\n", -12),
    (b"$5\r\na\r\nb!\r\n", b"a\r\nb!"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"_\r\n", None),
    (b",3.5\r\n", b"3.5"),
    (b"#t\r\n", b"t"),
    (b"(12345678901234567890\r\n", b"12345678901234567890"),
    (b"=8\r\ntxt:four\r\n", b"four"),
    (b"*2\r\n:1\r\n*1\r\n+x\r\n", [1, [b"x"]]),
    (b"~2\r\n:1\r\n:2\r\n", [1, 2]),
    (b"%1\r\n+a\r\n*0\r\n", {b"a": []}),
    (b">2\r\n+message\r\n+x\r\n+OK\r\n", b"OK"),
    (b"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n", b"v"),
]


@pytest.mark.parametrize(("reply", "value"), REPLIES)
def test_a_reply_is_read_however_it_is_cut(reply: bytes, value: Any) -> None:
    for pieces in every_cut(reply):
        assert drive(Replies().ask("ANY"), [pieces])[1] == value


def test_replies_to_a_pipeline_are_told_apart() -> None:
    whole = b"".join(reply for reply, _ in REPLIES)
    for pieces in every_cut(whole):
        said, values = drive(Replies().ask_all([("ANY",)] * len(REPLIES)), [pieces])
        assert values == [value for _, value in REPLIES]
    assert said == [encode_words(["ANY"]) * len(REPLIES)]


@pytest.mark.parametrize("reply", [b"-MOVED 3999 127.0.0.1:6381\r\n", b"!25\r\nMOVED 3999 127.0.0.1:6381\r\n"])
def test_an_error_is_a_value_with_a_code(reply: bytes) -> None:
    _, value = drive(Replies().ask("ANY"), [[reply]])
    assert isinstance(value, Refusal)
    assert (value.code, str(value)) == ("MOVED", "MOVED 3999 127.0.0.1:6381")


@pytest.mark.parametrize("reply", [b"$x\r\n", b":1.5\r\n", b"*1\r\nnot resp\r\n", b"*1\r\n" * 40, b"+" + b"x" * 70000])
def test_what_is_no_reply_is_said_to_be_none(reply: bytes) -> None:
    with pytest.raises(TargetError, match="this is not Redis"):
        drive(Replies().ask("ANY"), [[reply, b"+OK\r\n"]])


def test_nothing_is_said_where_nothing_is_asked() -> None:
    assert drive(Replies().ask_all([]), []) == ([], [])
