"""A request as the bytes that go over the wire, and where its slots lie. HTTP/1.1: RFC 9112."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loadgen import __version__
from loadgen.errors import RecipeError
from loadgen.plan.model import SLOT_BYTES, Request
from loadgen.plan.synthetic import NONCE
from loadgen.targets.slots import ID, Part, lay, parts_of, width_of
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
    return encode_http("GET", path, headers, None, operation=operation)


def encode_post(
    path: str, headers: Mapping[str, str], body: Mapping[str, Any], operation: int = 0, has_nonce: bool = False
) -> Request:
    """A JSON body. has_nonce: NONCE stands in it once; the slot is put there."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    parts: list[Part] = [content]
    if has_nonce:
        before, _, after = content.partition(NONCE.encode())
        parts = [before, ID, after]
    return encode_http("POST", path, json_headers(headers), parts, operation=operation)


def json_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """With the content type of JSON, unless another is given."""
    has_type = any(name.lower() == "content-type" for name in headers)
    return dict(headers) if has_type else {**headers, "Content-Type": "application/json"}


def encode_http(
    method: str,
    path: str,
    headers: Mapping[str, str],
    content: Sequence[Part] | None,
    *,
    n_more_bytes: int = 0,
    **known: Any,
) -> Request:
    """Any request. In path and headers {index}, {key} and {uuid} are slots.

    content: the body; None: none, and no Content-Length. n_more_bytes: how many follow out of the pool's bodies, before
    content. known: other fields of Request; body_at is set where there are more bytes.
    """
    head: list[Part] = [f"{method} ".encode(), *parts_of(path), b" HTTP/1.1\r\n"]
    for name, value in headers.items():
        is_id = name == _REQUEST_ID and value == SLOT.decode()
        head += [f"{name}: ".encode(), *([ID] if is_id else parts_of(value)), b"\r\n"]
    if content is not None:
        head.append(b"Content-Length: %d\r\n" % (width_of(content) + n_more_bytes))
    head.append(b"\r\n")
    raw, slots = lay([*head, *(content or ())])
    if n_more_bytes:
        known["body_at"] = width_of(head)
    return Request(raw=raw, slots=slots, expects_no_body=method == "HEAD", **known)
