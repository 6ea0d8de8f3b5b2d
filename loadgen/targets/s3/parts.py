"""A client for objects that must be put in parts, which no single request can do. One a connection, for Wire.CALL.

Sources: Amazon S3 API reference, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from aiohttp import ClientResponse

from loadgen.engine.contract import Address
from loadgen.plan.stamps import NO_TAG, stamps
from loadgen.records import NEVER, Outcome
from loadgen.targets.s3.client import Client, Piece
from loadgen.targets.s3.contents import Contents
from loadgen.targets.s3.endpoint import NOTHING, Endpoint
from loadgen.targets.s3.read_back import Reading
from loadgen.targets.s3.requests import NEEDLE, key_name, page_parameters
from loadgen.targets.s3.session import Reply
from loadgen.targets.s3.versions import Versions


class Failure(Exception):
    """A request that failed. Its class is called like the store's code: that is how the engine calls it."""

    outcome = Outcome.SERVER_ERROR
    status = 0


def failure(outcome: Outcome, code: str, text: str, status: int = 0) -> Failure:
    named = type(code or "S3Error", (Failure,), {"outcome": outcome, "status": status})
    made: Failure = named(text)
    return made


def _refusal(reply: Reply) -> Failure:
    outcome = Outcome.SERVER_ERROR if reply.status >= 500 else Outcome.CLIENT_ERROR
    return failure(outcome, reply.code, reply.element("Message") or f"status {reply.status}", reply.status)


@dataclass(frozen=True)
class Shared:
    """What all clients of a run have together."""

    endpoint: Endpoint
    address: Address
    contents: Contents
    list_keys: int
    versions: Versions


@dataclass
class PartsClient:
    """Does one thing at a time; the parts of an object go one after the other, over one connection."""

    shared: Shared
    n_items: int = NEVER  # this and the next one are of the latest request, for its record
    checked: bool = False
    _client: Client | None = None
    _upload: tuple[str, str] | None = None  # key and id of one that is under way

    @property
    def n_sent_bytes(self) -> int:
        """Of the latest request's bodies."""
        return self.client.n_sent_bytes

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    async def open(self) -> None:
        self._client = Client(self.shared.endpoint, self.shared.address)

    async def close(self) -> None:
        """An upload that is not to be completed is taken back: the store would keep its parts for ever."""
        try:
            if self._upload is not None:
                await self._abort()
        finally:
            await self.client.close()

    def request(self, operation: str, _index: int, values: Sequence[int]) -> Awaitable[int] | AsyncIterator[int]:
        """values[0]: which object; of a list which page, counted around."""
        number = values[0]
        self.client.n_sent_bytes, self.n_items, self.checked = 0, NEVER, False
        if operation == "get":
            return self._get(number)
        calls: dict[str, Callable[[int], Awaitable[int]]] = {
            "put": self._put,
            "head": self._head,
            "list": self._list,
            "delete": self._delete,
        }
        return calls[operation](number)

    async def _put(self, number: int) -> int:
        versions = self.shared.versions
        claim = versions.send(number)
        parts = self._parts(number, claim.version)
        try:
            await (self._put_whole(number, parts[0]) if len(parts) == 1 else self._put_parts(number, parts))
        except Failure as refused:
            if 400 <= refused.status < 500:
                versions.settle(claim, False)
            raise
        versions.settle(claim, True)
        return 0

    def _parts(self, number: int, version: int) -> list[list[Piece]]:
        """The object, each part in pieces that are no copies."""
        contents = self.shared.contents
        octets = contents.octets.data
        parts: list[list[Piece]] = [[octets[at : at + n]] for at, n in contents.slices(number)]
        if contents.is_stamped(number):
            (stamp,) = stamps(contents.registers[number], NO_TAG, np.array([number], np.int64), version)
            parts[-1].append(stamp.tobytes())
        return parts

    async def _put_whole(self, number: int, part: list[Piece]) -> None:
        await self._ask("PUT", key_name(number), body=part)

    async def _put_parts(self, number: int, parts: list[list[Piece]]) -> None:
        key = key_name(number)
        upload_id = (await self._ask("POST", key, {"uploads": ""})).element("UploadId")
        self._upload = (key, upload_id)
        try:
            tags = [await self._put_part(part, place) for place, part in enumerate(parts, 1)]
            await self._complete(tags)
        except Failure:
            await self._abort()
            raise
        self._upload = None

    async def _put_part(self, part: list[Piece], place: int) -> str:
        assert self._upload is not None
        key, upload_id = self._upload
        parameters = {"partNumber": str(place), "uploadId": upload_id}
        async with self.client.answer("PUT", key, parameters, part) as response:
            reply = Reply(response.status, await response.read())
            if not reply.is_success:
                raise _refusal(reply)
            return response.headers.get("ETag", "")

    async def _complete(self, tags: Sequence[str]) -> None:
        """A store may find only after its status that it cannot: then the body has the error."""
        assert self._upload is not None
        key, upload_id = self._upload
        listed = "".join(
            f"<Part><PartNumber>{place}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for place, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        reply = await self._ask("POST", key, {"uploadId": upload_id}, [body])
        if b"<Error>" in reply.body:
            raise failure(Outcome.SERVER_ERROR, reply.code, reply.element("Message"))

    async def _abort(self) -> None:
        assert self._upload is not None
        (key, upload_id), self._upload = self._upload, None
        async with self.client.answer("DELETE", key, {"uploadId": upload_id}) as response:
            await response.read()

    async def _get(self, number: int) -> AsyncIterator[int]:
        """How many bytes came first, and in all the rest."""
        versions, contents = self.shared.versions, self.shared.contents
        floor = versions.floor(number)
        reading = Reading(contents, number) if contents.is_stamped(number) else None
        self.checked = reading is not None
        async with self.client.answer("GET", key_name(number)) as response:
            if response.status != 200:
                self._judge_refusal(Reply(response.status, await response.read()), number, floor)
                return
            async for n_bytes in _counted(response, reading):
                yield n_bytes
        wrong = reading and reading.why_wrong(floor)
        if wrong:
            raise failure(Outcome.WRONG_ANSWER, "WrongAnswer", wrong)

    def _judge_refusal(self, reply: Reply, number: int, floor: int) -> None:
        """Raises Failure, unless the object may rightly be gone."""
        if reply.status != 404 or not self.shared.contents.is_stamped(number):
            raise _refusal(reply)
        if not self.shared.versions.may_be_missing(number, floor):
            text = f"no value, though version {floor} was acknowledged"
            raise failure(Outcome.WRONG_ANSWER, "WrongAnswer", text, reply.status)

    async def _head(self, number: int) -> int:
        await self._ask("HEAD", key_name(number))
        return 0

    async def _list(self, number: int) -> int:
        n_pages = -(-len(self.shared.contents.sizes) // self.shared.list_keys)
        parameters = page_parameters(number % n_pages, self.shared.list_keys)
        reply = await self._ask("GET", "", parameters)
        self.n_items = reply.body.count(NEEDLE)
        return len(reply.body)

    async def _delete(self, number: int) -> int:
        versions = self.shared.versions
        claim = versions.send(number, is_delete=True)
        try:
            await self._ask("DELETE", key_name(number))
        except Failure as refused:
            if 400 <= refused.status < 500:
                versions.settle(claim, False)
            raise
        versions.settle(claim, True)
        return 0

    async def _ask(
        self, method: str, key: str, parameters: Mapping[str, str] = NOTHING, body: Sequence[Piece] = ()
    ) -> Reply:
        async with self.client.answer(method, key, parameters, body) as response:
            reply = Reply(response.status, await response.read())
        if not reply.is_success:
            raise _refusal(reply)
        return reply


async def _counted(response: ClientResponse, reading: Reading | None) -> AsyncIterator[int]:
    n_first, n_more = 0, 0
    async for data in response.content.iter_any():
        if reading is not None:
            reading.feed(data)
        if n_first:
            n_more += len(data)
        else:
            n_first = len(data)
            yield n_first
    yield n_more
