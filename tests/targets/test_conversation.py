"""Connections that are talked to before the load, over real sockets."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.targets.conversation import converse, name_of, other_server, talk

Peer = Callable[[socket.socket], Any]


@contextmanager
def listening(peer: Peer, path: Path | None = None) -> Iterator[Address]:
    """A server of one connection, which the test must open, in a thread."""
    family = socket.AF_INET if path is None else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0) if path is None else str(path))
        listener.listen()
        serving = threading.Thread(target=_serve, args=(listener, peer))
        serving.start()
        host, port = ("127.0.0.1", listener.getsockname()[1]) if path is None else (str(path), 0)
        try:
            yield Address(family, host, port, "localhost")
        finally:
            serving.join()


def _serve(listener: socket.socket, peer: Peer) -> None:
    with suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            peer(connection)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


@pytest.fixture(scope="module")
def server_context(tmp_path_factory: pytest.TempPathFactory, need: Callable[[Any, str], Any]) -> ssl.SSLContext:
    """With a certificate that is signed by itself."""
    openssl = need(shutil.which("openssl"), "openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", f"{path}.key", "-out", str(path)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, f"{path}.key")
    return context


def greeting(*words: bytes) -> Callable[[], Generator[bytes, bytes, None]]:
    """Says each word and waits until it has come back, however it was cut."""

    def login() -> Generator[bytes, bytes, None]:
        for word in words:
            heard = yield word
            while len(heard) < len(word):
                heard += yield b""
            if heard != word:
                raise TargetError(f"heard {heard!r}")

    return login


def test_a_login_is_said_before_the_connection_is_given_out() -> None:
    with listening(echo) as address, converse(address, greeting(b"one", b"two" * 100_000)) as connection:
        assert not os.get_blocking(connection.fileno())
        connection.sendall(b"three")
        assert connection.recv(100) == b"three"


def test_without_a_login_nothing_is_said() -> None:
    heard: list[bytes] = []
    with listening(lambda peer: heard.append(peer.recv(100))) as address:
        converse(address).close()
    assert heard == [b""]


def test_the_addresss_own_login_is_said(tmp_path: Path) -> None:
    with listening(echo, tmp_path / "socket") as address:
        address = Address(address.family, address.host, 0, "", login=greeting(b"hello"))
        converse(address).close()
        assert name_of(address) == f"unix://{tmp_path}/socket"


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (lambda peer: None, "the connection was closed before an answer"),
        (lambda peer: peer.sendall(b"x" * 5), "heard b'xxxxx'"),
        (lambda peer: list(iter(lambda: peer.recv(100), b"")), "no whole answer within 0.2 s"),
    ],
    ids=["closed", "other words", "silence"],
)
def test_a_login_that_fails_is_one_line_with_the_address(peer: Peer, words: str) -> None:
    with listening(peer) as address:
        with pytest.raises(TargetError) as raised:
            converse(address, greeting(b"hello"), timeout_s=0.2)
        assert str(raised.value).startswith(f"127.0.0.1:{address.port}: {words}")


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    with listening(echo) as address:
        converse(address).close()
    with pytest.raises(TargetError, match="connection refused: nothing listens there"):
        converse(address)
    with pytest.raises(TargetError, match="there is no such socket"):
        converse(Address(socket.AF_UNIX, str(tmp_path / "none"), 0, ""))


def test_a_conversation_returns_what_it_found() -> None:
    def asking() -> Generator[bytes, bytes, int]:
        return len((yield b"12345"))

    with listening(echo) as address, converse(address) as connection:
        assert talk(connection, asking(), "server") == 5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"N", "the server has TLS switched off"),
        (b"E", "this port does not speak TLS"),
        (b"S", "this port does not"),
    ],
)
def test_tls_that_is_asked_for_and_not_given_is_one_line(answer: bytes, words: str) -> None:
    def peer(connection: socket.socket) -> None:
        assert connection.recv(8) == b"may I?"
        connection.sendall(answer)
        connection.recv(1)
        connection.sendall(b"no TLS at all, this\r\n")

    with listening(peer) as plain:
        address = Address(plain.family, plain.host, plain.port, "localhost", tls=True, tls_request=b"may I?")
        with pytest.raises(TargetError, match=words):
            converse(address)


def test_tls_begins_after_the_servers_consent(server_context: ssl.SSLContext) -> None:
    def peer(connection: socket.socket) -> None:
        assert connection.recv(8) == b"may I?"
        connection.sendall(b"S")
        with server_context.wrap_socket(connection, server_side=True) as spoken:
            echo(spoken)

    with listening(peer) as plain:
        address = Address(
            plain.family, plain.host, plain.port, "localhost", tls=True, tls_verify=False, tls_request=b"may I?"
        )
        converse(address, greeting(b"hello")).close()


def test_a_certificate_that_nobody_vouches_for_is_refused(server_context: ssl.SSLContext) -> None:
    def peer(connection: socket.socket) -> None:
        with suppress(OSError):
            server_context.wrap_socket(connection, server_side=True).close()

    with listening(peer) as plain:
        address = Address(plain.family, plain.host, plain.port, "localhost", tls=True)
        with pytest.raises(TargetError, match=r"not accepted .* service.tls.ca_file"):
            converse(address)


def test_a_file_of_authorities_that_is_none_is_named(tmp_path: Path) -> None:
    with listening(echo) as plain:
        address = Address(
            plain.family, plain.host, plain.port, "localhost", tls=True, tls_ca_file=str(tmp_path / "none.pem")
        )
        with pytest.raises(TargetError, match=r"service.tls.ca_file: .*none.pem: No such file"):
            converse(address)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"\n<html>", "HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "TLS"),
        (b"-ERR unknown command\r\n", "Redis"),
        (b"SSH-2.0-x\r\n", "SSH"),
        (b"J\0\0\0\x0a8.0.36\0", "MySQL"),
        (b"E\0\0\0\x60SFATAL\0VFATAL\0", "PostgreSQL"),
        (b"220 mail ESMTP\r\n", None),
        (b"", None),
    ],
)
def test_another_server_is_known_by_what_it_says_first(said: bytes, name: Any) -> None:
    assert other_server(said) == name
