"""aiohttp, told to send just the bytes of the plan and to do nothing of its own accord."""

import asyncio
import socket
import urllib.request
from ipaddress import ip_address
from typing import Any, NoReturn

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult

from loadgen.engine.contract import Address
from loadgen.engine.portable.requests import Parts
from loadgen.engine.portable.tap import TappedConnector, TappedUnixConnector
from loadgen.engine.portable.tls import tls_context
from loadgen.plan.model import Plan

PIECE_BYTES = 64 << 10
FOREVER_S = 10 * 365 * 86400

_HEADER_LINE_BYTES = 16 << 10
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _EveryMethod(frozenset[str]):
    """To methods outside of it aiohttp adds a Content-Length of its own where there is no body."""

    def __contains__(self, _: object) -> bool:
        return True


class _AsPlanned(aiohttp.ClientRequest):
    GET_METHODS = _EveryMethod()  # type: ignore[assignment]


def open_session(plan: Plan, address: Address) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_connector(plan, address),
        request_class=_AsPlanned,
        skip_auto_headers=_ADDED_BY_AIOHTTP,
        auto_decompress=False,
        max_line_size=_HEADER_LINE_BYTES,
        max_field_size=_HEADER_LINE_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _connector(plan: Plan, address: Address) -> aiohttp.BaseConnector:
    kept: dict[str, Any] = {"limit": plan.connections, "keepalive_timeout": FOREVER_S}
    if address.family == socket.AF_UNIX:
        return TappedUnixConnector(path=address.host, **kept)
    return TappedConnector(
        family=socket.AddressFamily(address.family),
        resolver=_Resolved(address),
        ttl_dns_cache=None,
        ssl=tls_context(address) if address.tls else True,
        **kept,
    )


def origin_of(address: Address) -> str:
    """The URL without its path. It keeps the name, which TLS and proxies need."""
    name = address.server_name.strip("[]")
    host = f"[{name}]" if ":" in name else name
    if address.family == socket.AF_UNIX:
        return "http://localhost"
    return f"{'https' if address.tls else 'http'}://{host}:{address.port}"


def proxy_of(address: Address) -> str | None:
    """The proxy that the environment names for this service; a plain connection to this very host needs none."""
    if address.family == socket.AF_UNIX or (not address.tls and ip_address(address.host).is_loopback):
        return None
    name = address.server_name.strip("[]")
    if urllib.request.proxy_bypass(f"{name}:{address.port}"):
        return None
    return urllib.request.getproxies().get("https" if address.tls else "http")


class Body(aiohttp.Payload):
    """A request's body out of several places, handed over in pieces so that other connections get their turns."""

    _autoclose = True  # nothing is held open

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise TypeError("bytes are no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value:
            whole = memoryview(part)
            for at in range(0, len(whole), PIECE_BYTES):
                await writer.write(whole[at : at + PIECE_BYTES])
                await asyncio.sleep(0)  # while the kernel takes everything, aiohttp never yields


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
