"""A store spoken to from an event loop: one connection, one thing at a time."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from loadgen.engine.contract import Address
from loadgen.targets.conversation import name_of, tls_context
from loadgen.targets.s3.endpoint import NOTHING, Endpoint
from loadgen.targets.s3.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD

_PIECE_BYTES = 256 << 10
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

Piece = bytes | memoryview


class Client:
    """n_sent_bytes: of all bodies so far."""

    def __init__(self, endpoint: Endpoint, address: Address) -> None:
        self.n_sent_bytes = 0
        self._endpoint, self._address = endpoint, address
        self._is_kept = False  # the connection has carried something
        self._session = ClientSession(
            connector=TCPConnector(limit=1, ssl=tls_context(address) if address.tls else True),
            skip_auto_headers=_ADDED_BY_AIOHTTP,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
        )

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def answer(
        self, method: str, key: str, parameters: Mapping[str, str] = NOTHING, body: Sequence[Piece] = ()
    ) -> AsyncIterator[ClientResponse]:
        """Raises OSError.

        What meets the close of a kept connection is sent again, once, over a new one, as the engines do.
        """
        try:
            try:
                response = await self._sent(method, key, parameters, body)
            except ClientConnectionError:
                if not self._is_kept:
                    raise
                response = await self._sent(method, key, parameters, body)
            async with response:
                yield response
            self._is_kept = True
        except ClientError as error:
            self._is_kept = False
            raise ConnectionResetError(str(error)) from None

    async def _sent(
        self, method: str, key: str, parameters: Mapping[str, str], body: Sequence[Piece]
    ) -> ClientResponse:
        payload_hash = UNSIGNED_PAYLOAD if body else EMPTY_SHA256
        head = self._endpoint.head(self._endpoint.signer(), method, key, parameters, payload_hash)
        n_bytes = sum(map(len, body))
        length = {"Content-Length": str(n_bytes)} if body or method in ("PUT", "POST") else {}
        self.n_sent_bytes += n_bytes
        return await self._session.request(
            method,
            URL(self._origin + head.target, encoded=True),
            headers={**head.headers, **length},
            data=_in_pieces(body) if body else None,
            allow_redirects=False,
            **self._tls,
        )

    @property
    def _origin(self) -> str:
        return f"{'https' if self._address.tls else 'http'}://{name_of(self._address)}"

    @property
    def _tls(self) -> dict[str, Any]:
        return {"server_hostname": self._address.server_name} if self._address.tls else {}


async def _in_pieces(body: Sequence[Piece]) -> AsyncIterator[Piece]:
    """Small ones, and a turn for the loop's other connections after each: a store that reads fast would leave none."""
    for part in body:
        for at in range(0, len(part), _PIECE_BYTES):
            yield part[at : at + _PIECE_BYTES]
            await asyncio.sleep(0)
