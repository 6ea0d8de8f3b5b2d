"""What listens on a port that does not answer as it should: told from its first words."""

import socket

from loadgen.engine.contract import Address
from loadgen.targets.conversation import other_server

PATIENCE_S = 1.0

_OPENINGS = (b"PING\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f")
"""A word of Redis's, which those that speak first do not wait for; then PostgreSQL's request for TLS."""


def spoken_at(address: Address) -> str | None:
    """Redis, PostgreSQL, SSH, MySQL, …: by what a few openings are answered with; None: nothing that we know."""
    found = (_protocol_of(_answer(address, opening)) for opening in _OPENINGS)
    return next((name for name in found if name), None)


def _protocol_of(said: bytes) -> str | None:
    if said in (b"S", b"N"):
        return "PostgreSQL"
    return "Redis" if said.startswith(b"+PONG") else other_server(said)


def _answer(address: Address, opening: bytes) -> bytes:
    """The first bytes that come; none where nothing comes in time."""
    try:
        with socket.create_connection((address.host, address.port), PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            connection.sendall(opening)
            return connection.recv(256)
    except OSError:
        return b""
