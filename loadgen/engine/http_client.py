"""The portable engine's HTTP: aiohttp, told to send just the bytes of the plan and to do nothing of its own accord."""

import asyncio
import io
import socket
import ssl
import urllib.request
from contextlib import AbstractAsyncContextManager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from loadgen.engine.contract import Address
from loadgen.engine.tap import TappedConnector
from loadgen.errors import EngineError
from loadgen.plan.model import NO_SLOT, SLOT_BYTES, Plan

if TYPE_CHECKING:
    from aiohttp.connector import Connection

OPENING_AT_ONCE = 64
"""Connections opened beforehand wait for each other, so that a server's backlog is not overrun."""

FOREVER_S = 10 * 365 * 86400
_LARGE_BODY_BYTES = 1 << 20  # aiohttp warns of larger bodies that are given as bytes
_HEADER_LINE_BYTES = 16 << 10
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Encoded(NamedTuple):
    """A request as the plan has it, cut into what aiohttp wants. n_bytes: of the whole, as it goes over the wire."""

    method: str
    url: URL
    headers: list[tuple[str, str]]
    body: bytes
    n_bytes: int


class HttpClient:
    """The connections of a run. `open`, then `request`, then `close`."""

    def __init__(self, plan: Plan, address: Address, run_tag: str) -> None:
        if len(run_tag) > SLOT_BYTES - 8:
            raise EngineError(f"the run's tag leaves no room for an index: {run_tag}")
        self._plan = plan
        self._run_tag = run_tag
        self._origin = _origin(address)
        self._urls: dict[str, URL] = {}
        self._proxy = _proxy(address)
        self._session = _session(plan, address)

    def encode(self, payload: int, index: int) -> Encoded:
        """The pool's request with its slots filled in."""
        pool = self._plan.pool
        raw = pool.raw[pool.from_byte[payload] : pool.from_byte[payload + 1]].tobytes()
        slot = f"{self._run_tag}-{index:0{SLOT_BYTES - len(self._run_tag) - 1}d}".encode()
        for at in (int(pool.id_at[payload]), int(pool.nonce_at[payload])):
            if at != NO_SLOT:
                raw = raw[:at] + slot + raw[at + SLOT_BYTES :]
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Encoded(method, self._url(target), headers, body, len(raw))

    def request(self, encoded: Encoded) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send it, and wait for the answer's head."""
        body = encoded.body
        return self._session.request(
            encoded.method,
            encoded.url,
            headers=encoded.headers,
            data=(io.BytesIO(body) if len(body) > _LARGE_BODY_BYTES else body) or None,
            allow_redirects=False,
            proxy=self._proxy,
        )

    async def open(self) -> None:
        """Open all connections beforehand. One that cannot be opened is tried again by the request that needs it."""
        turn = asyncio.Semaphore(OPENING_AT_ONCE)
        opened: list[Connection] = []
        try:
            await asyncio.gather(*(self._open_one(turn, opened) for _ in range(self._plan.connections)))
        finally:
            for connection in opened:
                connection.release()

    async def _open_one(self, turn: asyncio.Semaphore, opened: "list[Connection]") -> None:
        request = aiohttp.ClientRequest(
            "GET",
            self._url("/"),
            loop=asyncio.get_running_loop(),
            session=self._session,
            proxy=URL(self._proxy) if self._proxy else None,
        )
        connector = self._session.connector
        assert connector is not None
        with suppress(aiohttp.ClientError, OSError):
            async with turn, asyncio.timeout(self._plan.timeout_ns / 1e9):
                opened.append(await connector.connect(request, traces=[], timeout=aiohttp.ClientTimeout(total=None)))

    async def close(self) -> None:
        """Close all connections, and wait until their sockets are closed."""
        await self._session.close()
        for _ in range(3):  # a socket is closed in the turns of the loop that follow its transport's closing
            await asyncio.sleep(0)

    def _url(self, target: str) -> URL:
        if target not in self._urls:
            self._urls[target] = URL(self._origin + target, encoded=True)
        return self._urls[target]


def _session(plan: Plan, address: Address) -> aiohttp.ClientSession:
    connector = TappedConnector(
        limit=plan.connections,
        family=socket.AddressFamily(address.family),
        resolver=_Resolved(address),
        ttl_dns_cache=None,
        keepalive_timeout=FOREVER_S,
        ssl=_tls_context(address) if address.tls else True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        skip_auto_headers=_ADDED_BY_AIOHTTP,
        auto_decompress=False,
        max_line_size=_HEADER_LINE_BYTES,
        max_field_size=_HEADER_LINE_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _tls_context(address: Address) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.tls_ca_file)
    if not address.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _origin(address: Address) -> str:
    """The URL without its path. It keeps the name, which TLS and proxies need."""
    name = address.server_name.strip("[]")
    host = f"[{name}]" if ":" in name else name
    return f"{'https' if address.tls else 'http'}://{host}:{address.port}"


def _proxy(address: Address) -> str | None:
    """The proxy that the environment names for this service; a plain connection to this very host needs none."""
    if not address.tls and ip_address(address.host).is_loopback:
        return None
    name = address.server_name.strip("[]")
    if urllib.request.proxy_bypass(f"{name}:{address.port}"):
        return None
    return urllib.request.getproxies().get("https" if address.tls else "http")


class _Resolved(AbstractResolver):
    """Knows the service's address already, and asks the host's resolver for others (a proxy's)."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._others = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self._address
        if host != address.server_name:
            return await self._others.resolve(host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address.host,
                port=port,
                family=address.family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        await self._others.close()
