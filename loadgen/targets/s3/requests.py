"""What is sent: for each operation one signed request an object, a list one a page."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.model import KEY_DIGITS, Check, Request
from loadgen.targets.encoding import encode_http
from loadgen.targets.s3.contents import Contents
from loadgen.targets.s3.endpoint import Endpoint, Head
from loadgen.targets.s3.models import S3Operation
from loadgen.targets.s3.sigv4 import UNSIGNED_PAYLOAD, Signer
from loadgen.targets.slots import STAMP, Part

KEY_PREFIX = "object-"
NEEDLE = b"<Key>"


def key_name(number: int) -> str:
    return f"{KEY_PREFIX}{number:0{KEY_DIGITS}}"


def page_parameters(page: int, list_keys: int) -> dict[str, str]:
    """A page goes on behind the last key of the one before, which is known: the keys are ours."""
    behind = {"start-after": key_name(page * list_keys - 1)} if page else {}
    return {"list-type": "2", "max-keys": str(list_keys), "prefix": KEY_PREFIX, **behind}


@dataclass(frozen=True)
class Requests:
    """The pool of a run."""

    endpoint: Endpoint
    contents: Contents
    operations: tuple[S3Operation, ...]
    list_keys: int

    @property
    def n_objects(self) -> int:
        return len(self.contents.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many requests each operation has."""
        return tuple(map(self._size_of, self.operations))

    @property
    def checks(self) -> bool:
        """Whether any answer is held against what was put."""
        return any(map(self.contents.is_stamped, range(self.n_objects)))

    def all(self) -> Iterator[Request]:
        """Operation after operation, signed now."""
        signer = self.endpoint.signer()
        for operation, name in enumerate(self.operations):
            yield from self._of(name, operation, signer)

    def puts(self, operation: int) -> Iterator[Request]:
        """Each object once. operation: whichever; fills are not reported by operation."""
        return self._of("put", operation, self.endpoint.signer())

    def _of(self, name: S3Operation, operation: int, signer: Signer | None) -> Iterator[Request]:
        makers: dict[S3Operation, Callable[[int, int, Signer | None], Request]] = {
            "put": self._put,
            "get": self._get,
            "head": self._head,
            "list": self._list,
            "delete": self._delete,
        }
        return (makers[name](number, operation, signer) for number in range(self._size_of(name)))

    def _size_of(self, name: S3Operation) -> int:
        return -(-self.n_objects // self.list_keys) if name == "list" else self.n_objects

    def _put(self, number: int, operation: int, signer: Signer | None) -> Request:
        head = self.endpoint.head(signer, "PUT", key_name(number), payload_hash=UNSIGNED_PAYLOAD)
        (body,) = self.contents.slices(number)
        if not self.contents.is_stamped(number):
            return _encoded(head, operation, content=[], n_more_bytes=body.n_bytes, body=tuple(body))
        return _encoded(
            head,
            operation,
            content=[STAMP],
            n_more_bytes=body.n_bytes,
            body=tuple(body),
            check=Check.WRITE,
            key=number,
            crc=self.contents.registers[number],
        )

    def _get(self, number: int, operation: int, signer: Signer | None) -> Request:
        check = Check.READ if self.contents.is_stamped(number) else Check.NONE
        head = self.endpoint.head(signer, "GET", key_name(number))
        return _encoded(head, operation, check=check, key=number)

    def _head(self, number: int, operation: int, signer: Signer | None) -> Request:
        return _encoded(self.endpoint.head(signer, "HEAD", key_name(number)), operation)

    def _delete(self, number: int, operation: int, signer: Signer | None) -> Request:
        check = Check.DELETE if self.contents.is_stamped(number) else Check.NONE
        head = self.endpoint.head(signer, "DELETE", key_name(number))
        return _encoded(head, operation, check=check, key=number)

    def _list(self, page: int, operation: int, signer: Signer | None) -> Request:
        head = self.endpoint.head(signer, "GET", parameters=page_parameters(page, self.list_keys))
        return _encoded(head, operation, check=Check.COUNT, needle=NEEDLE)


def _encoded(head: Head, operation: int, content: list[Part] | None = None, **known: Any) -> Request:
    return encode_http(*head, content, operation=operation, **known)


def renewed(requests: Callable[[], Iterable[Request]]) -> Callable[[], NDArray[np.uint8]]:
    """For Work.renewed: the same requests, signed anew; a signature has the same length at every instant."""
    return lambda: np.frombuffer(b"".join(request.raw for request in requests()), np.uint8)
