"""Reaching a service and asking it something before the load: blocking, for a thread of its own.

With the standard library's client, which is read long before the first send: a heavier one would cost the run CPU.
"""

import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.recipe.service import Tls
from loadgen.targets.conversation import tls_context, why_no_tls, why_unreachable
from loadgen.targets.recognise import spoken_at
from loadgen.targets.url import ServiceUrl

CONNECT_TIMEOUT_S = 10.0
ENOUGH_S = 5.0
ENOUGH_PARTS = 16
"""An answer that is longer than both is cut: the server does not heed how short it should be, and enough is known."""

MAX_ANSWER_BYTES = 8 << 20

_WANTS_TLS = "this port speaks TLS: write https:// in service.url"
_WANTS_NO_TLS = "this port does not speak TLS: write http:// in service.url"


@dataclass(frozen=True)
class Answer:
    """What a service said. complete: it was read to its end."""

    status: int
    content_type: str
    body: bytes
    complete: bool
    location: str | None = None
    retry_after: str | None = None
    server: str | None = None

    @cached_property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        import orjson

        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def is_html(self) -> bool:
        return "html" in self.content_type or self.body[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))

    @property
    def reason(self) -> str:
        """What the service gives as its reason, in one line."""
        return _one_line("an HTML page" if self.is_html else _said(self.json) or self.text)


def reach(url: ServiceUrl, tls: Tls) -> Address:
    """The first of the name's addresses, of both families, that takes a connection; or the socket.

    Raises TargetError.
    """
    if url.is_socket:
        return _reach_socket(url)
    failures: list[OSError] = []
    for family, _kind, _protocol, _name, place in _resolve(url):
        try:
            socket.create_connection(place[:2], CONNECT_TIMEOUT_S).close()
        except OSError as error:
            failures.append(error)
            continue
        return Address(
            family=family,
            host=str(place[0]),
            port=url.port,
            server_name=url.host,
            tls=url.tls,
            tls_verify=tls.verify,
            tls_ca_file=tls.ca_file,
        )
    raise TargetError(f"{url.public}: {why_unreachable(failures[0], CONNECT_TIMEOUT_S)}")


def _reach_socket(url: ServiceUrl) -> Address:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CONNECT_TIMEOUT_S)
            connection.connect(url.path)
    except OSError as error:
        raise TargetError(f"{url.public}: {why_unreachable(error, CONNECT_TIMEOUT_S)}") from None
    return Address(family=socket.AF_UNIX, host=url.path, port=0, server_name="localhost")


def _resolve(url: ServiceUrl) -> Iterable[tuple[int, int, int, str, Any]]:
    try:
        return socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"{url.public}: the name {url.host} does not resolve ({reason})") from None


def ask(url: ServiceUrl, address: Address, raw: bytes, timeout_s: float) -> Answer:
    """Send one request on a connection of its own and read the answer.

    timeout_s: of the head and of the body, each. Raises TargetError.
    """
    try:
        with _connected(url, address) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(raw)
            return _read_answer(connection, raw.split(b" ", 1)[0].decode(), timeout_s)
    except TimeoutError:
        raise TargetError(f"{url.public}: no whole answer within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise TargetError(f"{url.public}: {why_no_tls(error, _WANTS_NO_TLS)}") from None
    except (HTTPException, ValueError, OSError) as error:
        raise TargetError(f"{url.public}: {_why_no_answer(error, address)}") from None


def _why_no_answer(error: Exception, address: Address) -> str:
    is_http = address.tls or isinstance(error, IncompleteRead)
    other = "HTTP" if is_http else spoken_at(address)
    if other == "TLS" or (other is None and _speaks_tls(address)):
        return _WANTS_TLS
    if other not in (None, "HTTP"):
        return f"this looks like {other}, not HTTP: are service.url and service.kind right?"
    what = _one_line(str(error)) or type(error).__name__
    if isinstance(error, (ConnectionError, IncompleteRead)):
        return f"the connection was closed before a whole answer had come ({what})"
    return f"does not answer in HTTP ({what})"


def check_scheme(url: ServiceUrl, answer: Answer) -> None:
    """Raises TargetError where a server says, in plain HTTP, that its port wants TLS."""
    if not url.tls and answer.status == 400 and "https" in answer.text[:1000].lower():
        raise TargetError(f"{url.public}: {_WANTS_TLS}")


def _connected(url: ServiceUrl, address: Address) -> socket.socket:
    connection = socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S)
    if not address.tls:
        return connection
    try:
        return tls_context(address).wrap_socket(connection, server_hostname=address.server_name)
    except TimeoutError:
        connection.close()
        slow = f"no TLS handshake within {CONNECT_TIMEOUT_S:g} s"
        raise TargetError(f"{url.public}: {_WANTS_NO_TLS if _speaks_http(address) else slow}") from None
    except BaseException:
        connection.close()
        raise


def _speaks_tls(address: Address) -> bool:
    """Whether the port answers a TLS handshake, whatever its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S) as connection:
            context.wrap_socket(connection, server_hostname=address.server_name).close()
    except OSError:
        return False
    return True


def _speaks_http(address: Address) -> bool:
    """Whether the port answers a plain request; some servers keep silent when a TLS handshake is what they get."""
    try:
        with socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def _read_answer(connection: socket.socket, method: str, timeout_s: float) -> Answer:
    response = HTTPResponse(connection, method=method)
    try:
        response.begin()
        body, complete = _read_body(connection, response, timeout_s)
        return Answer(
            status=response.status,
            content_type=(response.getheader("Content-Type") or "").lower(),
            body=body,
            complete=complete,
            location=response.getheader("Location"),
            retry_after=response.getheader("Retry-After"),
            server=response.getheader("Server"),
        )
    finally:
        response.close()


def _read_body(connection: socket.socket, response: HTTPResponse, timeout_s: float) -> tuple[bytes, bool]:
    """The body, and whether it was read to its end. Raises TimeoutError."""
    parts: list[bytes] = []
    began_s = time.monotonic()
    while sum(map(len, parts)) < MAX_ANSWER_BYTES:
        passed_s = time.monotonic() - began_s
        if passed_s > ENOUGH_S and len(parts) > ENOUGH_PARTS:
            break
        connection.settimeout(max(timeout_s - passed_s, 0.001))
        part = response.read1(65536)
        if not part:
            return b"".join(parts), True
        parts.append(part)
    return b"".join(parts), False


def _said(content: Any) -> str:
    """The message of an error body: OpenAI's {error: {message}}, Ollama's {error}, FastAPI's {detail}."""
    if isinstance(content, dict):
        return next((_said(content[name]) for name in ("error", "message", "detail", "msg") if content.get(name)), "")
    if isinstance(content, list):
        return "; ".join(filter(None, (_said_of_entry(entry) for entry in content)))
    return content if isinstance(content, str) else ""


def _said_of_entry(entry: Any) -> str:
    """FastAPI's list has where it stands (loc) and what is wrong (msg)."""
    if isinstance(entry, dict) and isinstance(entry.get("loc"), list):
        return f"{'.'.join(str(part) for part in entry['loc'])}: {entry.get('msg', '')}"
    return _said(entry)


def _one_line(text: str, longest: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
