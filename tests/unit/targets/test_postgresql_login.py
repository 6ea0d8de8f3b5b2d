"""PostgreSQL's login without a socket: the conversation is driven by hand, the server's answers cut everywhere."""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.targets.postgresql.login import BackendKey, Credentials
from loadgen.targets.postgresql.messages import Inbox, error_of, message, startup
from loadgen.targets.postgresql.scram import Salter, Scram, md5_answer, prepared
from tests.wire.cuts import every_cut

READY = message(b"Z", b"I")
KEY = message(b"K", struct.pack("!II", 77, 99))
STATUS = message(b"S", b"server_version\x0016.4\0") + message(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")
LET_IN = message(b"R", struct.pack("!I", 0)) + STATUS + KEY + READY


def asking(method: int, more: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", method) + more)


def error(code: str, text: str, severity: str = "FATAL") -> bytes:
    return message(b"E", f"S{severity}\0V{severity}\0C{code}\0M{text}\0\0".encode())


Server = Callable[[bytes], bytes]
"""What is said to what it hears."""


def drive(conversation: Generator[bytes, bytes, Any], server: Server, cut: Callable[[bytes], Iterable[bytes]]) -> Any:
    """What the conversation returns. cut: into what pieces an answer falls."""
    try:
        heard = next(conversation)
        pending: list[bytes] = []
        while True:
            pending += cut(server(heard)) if heard else []
            heard = conversation.send(pending.pop(0))
    except StopIteration as end:
        return end.value


def login(server: Callable[[], Server], **who: Any) -> BackendKey:
    """The connection's key, the same however the answers are cut. server: makes one for each conversation."""
    credentials = Credentials(**{"user": "joe", "database": "shop", **who})
    key = drive(credentials.logged_in(), server(), lambda answer: [answer])
    for cut in (lambda answer: list(every_cut(answer))[1], lambda answer: list(every_cut(answer))[2]):
        assert drive(credentials.logged_in(), server(), cut) == key
    assert isinstance(key, BackendKey)
    return key


def script(*answers: bytes) -> Callable[[], Server]:
    """A server that says these, whatever it hears."""

    def make() -> Server:
        left = list(answers)
        return lambda heard: left.pop(0)

    return make


def complaint(*answers: bytes, **who: Any) -> str:
    with pytest.raises(TargetError) as raised:
        login(script(*answers), **who)
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_the_start_up_message_says_who_and_how() -> None:
    heard: list[bytes] = []

    def server(saying: bytes) -> bytes:
        heard.append(saying)
        return LET_IN

    drive(Credentials("joe", "shop", parameters={"jit": "off"}).login(), server, lambda answer: [answer])
    words = b"user\0joe\0database\0shop\0jit\0off\0\0"
    assert heard == [struct.pack("!IHH", 8 + len(words), 3, 0) + words]


def test_a_server_that_trusts_lets_us_in_and_names_the_connection() -> None:
    assert login(script(LET_IN)) == BackendKey(77, 99)


def test_a_password_is_sent_as_it_stands_where_the_server_wants_that() -> None:
    heard: list[bytes] = []

    def make() -> Server:
        answers = [asking(3), LET_IN]
        return lambda saying: (heard.append(saying), answers.pop(0))[1]

    login(make, password="s3cret")
    assert heard[1] == message(b"p", b"s3cret\0")


def test_md5_is_salted_with_the_user_and_the_servers_salt() -> None:
    assert md5_answer("joe", "secret", b"\x01\x02\x03\x04") == b"md5850be429f1fe77df3f603ac424abb440"
    heard: list[bytes] = []

    def make() -> Server:
        answers = [asking(5, b"\x01\x02\x03\x04"), LET_IN]
        return lambda saying: (heard.append(saying), answers.pop(0))[1]

    login(make, password="secret")
    assert heard[1] == message(b"p", b"md5850be429f1fe77df3f603ac424abb440\0")


# RFC 7677, section 3
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def rfc_scram() -> Scram:
    return Scram(Salter("pencil"), "rOprNGfwEbeRWgbNEkqO", user="user")


def test_scram_is_that_of_rfc_7677() -> None:
    scram = rfc_scram()
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.final(SERVER_FIRST) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    scram.accept(SERVER_FINAL)


@pytest.mark.parametrize("final", [SERVER_FINAL.replace(b"6", b"7"), b"", b"v=", b"e=other-error", b"v=!!"])
def test_a_server_that_does_not_know_the_password_is_not_believed(final: bytes) -> None:
    scram = rfc_scram()
    scram.final(SERVER_FIRST)
    with pytest.raises(TargetError, match="cannot prove"):
        scram.accept(final)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"r=somebody,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=many",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000",
    ],
)
def test_a_wrong_first_message_of_the_server_ends_it(first: bytes) -> None:
    with pytest.raises(TargetError, match="SCRAM-SHA-256"):
        rfc_scram().final(first)


class ScramServer:
    """The other side, after RFC 5802. password: the one it knows."""

    def __init__(self, password: str, is_honest: bool = True) -> None:
        self._password, self._is_honest = password.encode(), is_honest
        self._heard: list[bytes] = []

    def __call__(self, heard: bytes) -> bytes:
        self._heard.append(heard)
        if len(self._heard) == 1:
            return asking(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
        if len(self._heard) == 2:
            self._client_first = heard[5:].partition(b"\0")[2][4:].removeprefix(b"n,,")
            nonce = self._client_first.partition(b"r=")[2]
            self._first = b"r=" + nonce + b"xyz,s=" + base64.b64encode(b"salt") + b",i=64"
            return asking(11, self._first)
        return self._judged(heard[5:])

    def _judged(self, final: bytes) -> bytes:
        without_proof, _, proof = final.rpartition(b",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, b"salt", 64)
        key = hmac.digest(salted, b"Client Key", "sha256")
        signed = b",".join([self._client_first, self._first, without_proof])
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        if bytes(a ^ b for a, b in zip(key, signature, strict=True)) != base64.b64decode(proof):
            return error("28P01", 'password authentication failed for user "joe"')
        if not self._is_honest:
            return LET_IN
        proved = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return asking(12, b"v=" + base64.b64encode(proved)) + LET_IN


@pytest.mark.parametrize("password", ["s3cret", "pass wörd", "I\u00adX"])
def test_scram_lets_us_in(password: str) -> None:
    assert login(lambda: ScramServer(prepared(password)), password=password) == BackendKey(77, 99)


def test_a_wrong_password_is_said_without_the_password() -> None:
    with pytest.raises(TargetError) as raised:
        login(lambda: ScramServer("another"), password="s3cret")
    text = str(raised.value)
    assert "service.password" in text
    assert "28P01" in text
    assert "s3cret" not in text


def test_a_server_that_skips_its_proof_is_not_believed() -> None:
    with pytest.raises(TargetError, match="without proving"):
        login(lambda: ScramServer("s3cret", is_honest=False), password="s3cret")


def test_passwords_are_prepared_as_rfc_4013_says() -> None:
    assert prepared("I\u00adX") == "IX"
    assert prepared("\u00aa") == "a"
    assert prepared("\u2168") == "IX"
    assert prepared("a\u00a0b") == "a b"
    assert prepared("\u0627\u0031") == "\u0627\u0031"  # right to left, and does not end so: taken as it stands
    assert prepared("é\u0007") == "é\u0007"  # a control character is not allowed: taken as it stands


@pytest.mark.parametrize(
    ("answers", "who", "said"),
    [
        ((asking(3),), {}, "wants a password for joe: service.password"),
        ((asking(7),), {"password": "x"}, "GSSAPI: not supported"),
        ((asking(10, b"SCRAM-SHA-512\0\0"),), {"password": "x"}, "does not take SCRAM-SHA-256"),
        ((error("3D000", 'database "shop" does not exist'),), {}, "service.database: there is no shop"),
        (
            (error("28000", "no pg_hba.conf entry"),),
            {},
            "service.user (joe) is not let in: no pg_hba.conf entry [28000]",
        ),
        ((error("53300", "sorry, too many clients already"),), {}, "max_connections"),
        ((error("57P03", "the database system is starting up"),), {}, "refuses the connection: the database system is"),
        ((asking(0) + error("42704", 'unrecognized configuration parameter "x"'),), {}, "service.parameters"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), {}, "no PostgreSQL server: it speaks HTTP"),
        ((b"-ERR unknown command\r\n",), {}, "no PostgreSQL server: it speaks Redis"),
        ((b"\x15\x03\x03\x00\x02\x02\x46",), {}, "no PostgreSQL server: it speaks TLS"),
        ((b"J\0\0\0\x0a8.0.36\0" + bytes(70),), {}, "no PostgreSQL server: it speaks MySQL"),
        ((b"\x00\x01\x02\x03\x04\x05",), {}, "no PostgreSQL server: it answers"),
    ],
)
def test_what_is_wrong_is_one_line(answers: tuple[bytes, ...], who: dict[str, Any], said: str) -> None:
    assert said in complaint(*answers, **who)


def test_statements_are_prepared_in_one_go_under_their_numbers() -> None:
    heard: list[bytes] = []

    def make() -> Server:
        answers = [LET_IN, message(b"1", b"") * 2 + READY]
        return lambda saying: (heard.append(saying), answers.pop(0))[1]

    login(make, statements=["SELECT $1", "BEGIN"])
    parsed = message(b"P", b"s0\0SELECT $1\0\0\0") + message(b"P", b"s1\0BEGIN\0\0\0")
    assert heard[1] == parsed + message(b"S", b"")


def test_a_statement_that_the_server_does_not_take_is_named() -> None:
    refused = message(b"1", b"") + error("42P01", 'relation "nope" does not exist', "ERROR") + READY
    text = complaint(LET_IN, refused, statements=["SELECT 1", "SELECT  *\nFROM nope"])
    assert text == 'the server does not prepare SELECT * FROM nope: relation "nope" does not exist [42P01]'


def test_an_error_tells_its_severity_in_english() -> None:
    said = error_of(b"SFATAL?\0VFATAL\0C28P01\0Mtwo\n lines\0Dmore\0\0")
    assert (said.code, said.text, said.detail, said.severity) == ("28P01", "two lines", "more", "FATAL")
    assert str(said) == "two lines (more) [28P01]"
    assert error_of(b"").text == "no reason given"


def test_messages_come_out_whole_however_they_are_cut() -> None:
    stream = STATUS + KEY + message(b"D", b"\0\0") + READY
    for pieces in every_cut(stream):
        inbox, kinds = Inbox(), []
        for piece in pieces:
            inbox.take(piece)
            while (taken := inbox.next()) is not None:
                kinds.append(taken.kind)
        assert kinds == [b"S", b"N", b"K", b"D", b"Z"]


def test_a_message_too_long_for_a_login_is_no_postgresql() -> None:
    inbox = Inbox(100)
    inbox.take(message(b"R", bytes(200))[:8])
    with pytest.raises(TargetError, match="no PostgreSQL"):
        inbox.next()


def test_the_start_up_message_ends_with_a_zero() -> None:
    assert startup({"user": "joe"})[-1:] == b"\0"
