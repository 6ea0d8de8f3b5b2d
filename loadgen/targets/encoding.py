"""A request as the bytes that go over the wire, and where its slots lie. HTTP/1.1: RFC 9112."""

import json
from collections.abc import Mapping
from typing import Any

from loadgen import __version__
from loadgen.errors import RecipeError
from loadgen.plan.model import NO_SLOT, SLOT_BYTES, Request
from loadgen.plan.synthetic import NONCE
from loadgen.targets.url import ServiceUrl

SLOT = b"0" * SLOT_BYTES

_FRAMING = frozenset({"content-length", "transfer-encoding", "expect", "te", "trailer", "upgrade"})
_REQUEST_ID = "X-Request-Id"


def request_headers(url: ServiceUrl, api_key: str | None, *own: Mapping[str, str]) -> dict[str, str]:
    """The headers of every request, the recipe's own over the usual ones, whatever their case. The later mapping wins.

    Accept-Encoding is not among them: a compressed answer hides when its tokens came. Raises RecipeError.
    """
    headers = {"Host": url.host_header, "User-Agent": f"loadgen/{__version__}", _REQUEST_ID: SLOT.decode()}
    authorization = f"Bearer {api_key}" if api_key else url.authorization
    if authorization:
        headers["Authorization"] = authorization
    for name, value in (item for mapping in own for item in mapping.items()):
        _check_header(name, value)
        headers = {kept: headers[kept] for kept in headers if kept.lower() != name.lower()} | {name: value}
    return headers


def _check_header(name: str, value: str) -> None:
    if any(mark in name + value for mark in "\r\n\0"):
        raise RecipeError(
            f"service.headers: the value of {name.split()[0] if name.split() else name!r} must be one line"
        )
    if name.lower() in _FRAMING:
        raise RecipeError(f"service.headers: {name} is loadgen's to say, leave it out")


def encode_get(path: str, headers: Mapping[str, str], operation: int = 0) -> Request:
    return _encode(f"GET {path} HTTP/1.1", headers, b"", operation)


def encode_post(
    path: str, headers: Mapping[str, str], body: Mapping[str, Any], operation: int = 0, has_nonce: bool = False
) -> Request:
    """A JSON body. has_nonce: NONCE stands in it once; the slot is put there."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    framing = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    usual = {name: value for name, value in framing.items() if name.lower() not in {name.lower() for name in headers}}
    return _encode(f"POST {path} HTTP/1.1", {**headers, **usual}, content, operation, has_nonce)


def _encode(
    first_line: str, headers: Mapping[str, str], body: bytes, operation: int, has_nonce: bool = False
) -> Request:
    lines = [first_line.encode(), *(f"{name}: {value}".encode() for name, value in headers.items())]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    raw = head + body
    return Request(
        raw=raw.replace(NONCE.encode(), SLOT, 1) if has_nonce else raw,
        id_at=_id_at(head, headers),
        nonce_at=raw.index(NONCE.encode(), len(head)) if has_nonce else NO_SLOT,
        operation=operation,
    )


def _id_at(head: bytes, headers: Mapping[str, str]) -> int:
    """NO_SLOT where the recipe sets the header itself."""
    if headers.get(_REQUEST_ID) != SLOT.decode():
        return NO_SLOT
    before = f"\r\n{_REQUEST_ID}: ".encode()
    return head.index(before + SLOT) + len(before)
