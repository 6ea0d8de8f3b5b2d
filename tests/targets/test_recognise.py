"""A port that speaks another protocol than HTTP is called by its name."""

import asyncio
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.recipe import recipe_from_dict
from loadgen.targets import target_for
from loadgen.targets.recognise import spoken_at
from servers.process import Server

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


@contextmanager
def listening(reply: Callable[[bytes], bytes], greeting: bytes = b"") -> Iterator[int]:
    """A server that greets, answers once what it reads, and hangs up. Gives the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(greeting)
            self.request.sendall(reply(self.request.recv(4096)))

    class Listening(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up early is none."""

    with Listening(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def prepare_http(port: int) -> None:
    recipe = recipe_from_dict({"service": {"kind": "http", "url": f"http://127.0.0.1:{port}"}})
    asyncio.run(target_for(recipe).prepare())


def redis(said: bytes) -> bytes:
    return b"+PONG\r\n" if said == b"PING\r\n" else b"-ERR wrong number of arguments for 'get' command\r\n"


def postgresql(said: bytes) -> bytes:
    return b"N" if said == SSL_REQUEST else b""


SPEAKERS = {
    "Redis": (redis, b""),
    "PostgreSQL": (postgresql, b""),
    "SSH": (lambda _: b"", b"SSH-2.0-OpenSSH_9.2\r\n"),
    "MySQL": (lambda _: b"", b"\x4a\0\0\0\x0a8.0.36\0"),
}


@pytest.mark.parametrize("name", SPEAKERS)
def test_another_protocol_is_called_by_its_name(name: str) -> None:
    with listening(*SPEAKERS[name]) as port:
        with pytest.raises(TargetError) as caught:
            prepare_http(port)
        line = f"http://127.0.0.1:{port}: this looks like {name}, not HTTP: are service.url and service.kind right?"
        assert str(caught.value) == line


def test_a_port_that_only_hangs_up_is_not_given_a_name() -> None:
    with listening(lambda _: b"") as port:
        assert spoken_at(Address(socket.AF_INET, "127.0.0.1", port, "127.0.0.1")) is None


@pytest.mark.parametrize(("server", "name"), [("redis", "Redis"), ("valkey", "Redis"), ("postgresql", "PostgreSQL")])
def test_real_servers_are_recognised(start_server: Callable[[str], Server], server: str, name: str) -> None:
    port = urlsplit(start_server(server).url).port
    assert port is not None
    with pytest.raises(TargetError, match=f"this looks like {name}, not HTTP"):
        prepare_http(port)
