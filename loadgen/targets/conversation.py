"""Connections on which something is said before the load: opened, with TLS where it is wanted, and talked to.

Blocking, for a thread of its own. What is said knows no socket (see Login): a server's dialect is one generator, which
the engines, the probe and the tests drive alike.
"""

import socket
import ssl
import time
from collections.abc import Generator
from typing import TypeVar

from loadgen.engine.contract import Address, Login
from loadgen.errors import TargetError

TIMEOUT_S = 10.0
"""For connecting, for the TLS handshake, and for a conversation, each."""

READ_BYTES = 65536

_CLOSED = "the connection was closed before an answer; is it the right port, and does it want TLS?"
_NO_TLS = "this port does not speak TLS"
_TLS_ALERT = b"\x15\x03"
_MYSQL_PROTOCOL = 10

Result = TypeVar("Result")


def converse(address: Address, login: Login | None = None, timeout_s: float = TIMEOUT_S) -> socket.socket:
    """A connection on which the login has been said. Its descriptor is non-blocking; Python's own calls on it wait.

    login: None: the address's own. Raises TargetError with one line, and leaves nothing open.
    """
    connection = _opened(address, timeout_s)
    try:
        said = login or address.login
        if said is not None:
            talk(connection, said(), name_of(address), timeout_s)
        connection.settimeout(timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def talk(
    connection: socket.socket,
    conversation: Generator[bytes, bytes, Result],
    name: str,
    timeout_s: float = TIMEOUT_S,
) -> Result:
    """Send what the conversation yields, give it what was read, and return what it returns.

    name: how messages call the server. timeout_s: of the whole. Raises TargetError.
    """
    give_up_at = time.monotonic() + timeout_s
    try:
        to_send = next(conversation)
        while True:
            connection.settimeout(max(give_up_at - time.monotonic(), 0.001))
            if to_send:
                connection.sendall(to_send)
            to_send = conversation.send(_received(connection))
    except StopIteration as end:
        result: Result = end.value
        return result
    except TimeoutError:
        raise TargetError(f"{name}: no whole answer within {timeout_s:g} s; is it the right port?") from None
    except ConnectionError:
        raise TargetError(f"{name}: {_CLOSED}") from None
    except OSError as error:
        raise TargetError(f"{name}: {error.strerror or error}") from None
    except TargetError as error:
        raise TargetError(f"{name}: {error}") from None


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(READ_BYTES)
    if not data:
        raise TargetError(_CLOSED)
    return data


def name_of(address: Address) -> str:
    """The server as messages call it."""
    if address.family == socket.AF_UNIX:
        return f"unix://{address.host}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def other_server(data: bytes) -> str | None:
    """Whose first answer this looks like, where it is none of those that were expected; None: nobody's that we know."""
    start = data[:16].lstrip().lower()
    if start.startswith((b"http/", b"<!doctype", b"<html")):
        return "HTTP"
    if data.startswith(_TLS_ALERT):
        return "TLS"
    if start.startswith((b"-err", b"-noauth", b"-denied")):
        return "Redis"
    if start.startswith(b"ssh-"):
        return "SSH"
    if data[:1] == b"E" and (b"SERROR" in data[:32] or b"SFATAL" in data[:32]):
        return "PostgreSQL"
    return "MySQL" if data[4:5] == bytes([_MYSQL_PROTOCOL]) and data[3:4] == b"\0" else None


def tls_context(address: Address) -> ssl.SSLContext:
    """Raises TargetError for a file of authorities that is none."""
    try:
        context = ssl.create_default_context(cafile=address.tls_ca_file)
    except OSError as error:
        raise TargetError(f"service.tls.ca_file: {address.tls_ca_file}: {error.strerror or error}") from None
    if not address.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _opened(address: Address, timeout_s: float) -> socket.socket:
    connection = _connected(address, timeout_s)
    if not address.tls:
        return connection
    try:
        _ask_for_tls(connection, address.tls_request)
        return tls_context(address).wrap_socket(connection, server_hostname=address.server_name)
    except TimeoutError:
        reason = f"no TLS handshake within {timeout_s:g} s; this port does not seem to speak TLS"
    except TargetError as error:
        reason = str(error)
    except ssl.SSLError as error:
        reason = why_no_tls(error)
    except OSError as error:
        reason = f"no TLS connection ({error.strerror or error}); this port does not seem to speak TLS"
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise TargetError(f"{name_of(address)}: {reason}")


def _connected(address: Address, timeout_s: float) -> socket.socket:
    connection = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address.host if address.family == socket.AF_UNIX else (address.host, address.port))
        if address.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        raise TargetError(f"{name_of(address)}: {why_unreachable(error, timeout_s)}") from None
    return connection


def why_unreachable(error: OSError, timeout_s: float) -> str:
    """Why there is no connection, in words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there; is the service running, and is the port right?"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket; is the service running, and is the path right?"
    if isinstance(error, TimeoutError):
        return f"no connection within {timeout_s:g} s"
    return f"cannot be reached: {error.strerror or error}"


def _ask_for_tls(connection: socket.socket, request: bytes) -> None:
    """What some protocols want first: a request in the clear, answered with one byte. Raises TargetError."""
    if not request:
        return
    connection.sendall(request)
    answer = connection.recv(1)
    if answer != b"S":
        raise TargetError("the server has TLS switched off" if answer == b"N" else _NO_TLS)


def why_no_tls(error: ssl.SSLError, is_clear: str = _NO_TLS) -> str:
    """Why there is no TLS, in words. is_clear: those for a port that speaks in the clear."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted ({error.verify_message}): name its authority in service.tls.ca_file, "
            "or say service.tls.verify: false"
        )
    if error.reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "PACKET_LENGTH_TOO_LONG"):
        return is_clear
    return f"no TLS connection ({error.reason or error})"
