"""AWS Signature Version 4, in the Authorization header. Pure functions.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Stands in the place of a body's hash: bodies are not read to be signed."""

EMPTY_SHA256 = sha256(b"").hexdigest()

Parameters = Mapping[str, str]


@dataclass(frozen=True)
class Credentials:
    """Who signs. session_token: of temporary credentials; sent and signed with every request."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str
    session_token: str | None = field(default=None, repr=False)
    service: str = "s3"


def encoded(text: str, safe: str = "") -> str:
    """Every octet but letters, digits, -._~ and the safe ones as %XX, in capitals."""
    return quote(text, safe=safe)


def encoded_path(path: str) -> str:
    """A path whose slashes stay."""
    return encoded(path, "/")


def canonical_query(parameters: Parameters) -> str:
    """Encoded, and only then sorted. Requests are sent with exactly this text."""
    pairs = sorted((encoded(name), encoded(value)) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str) -> str:
    """path, query: encoded. headers: those to be signed."""
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    names = ";".join(name for name, _ in lines)
    listed = "".join(f"{name}:{value}\n" for name, value in lines)
    return f"{method}\n{path or '/'}\n{query}\n{listed}\n{names}\n{payload_hash}"


class Signer:
    """Signs requests of one instant: they are good for 15 minutes by the server's clock."""

    def __init__(self, credentials: Credentials, at: datetime) -> None:
        self.credentials = credentials
        self.stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        day = self.stamp[:8]
        self._scope = f"{day}/{credentials.region}/{credentials.service}/aws4_request"

    def signature(self, canonical: str) -> str:
        """Of a canonical request, in hex."""
        to_sign = f"{ALGORITHM}\n{self.stamp}\n{self._scope}\n{sha256(canonical.encode()).hexdigest()}"
        return hmac.digest(self._key, to_sign.encode(), "sha256").hex()

    def authorization(self, method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str) -> str:
        """The header's value. headers: all that are to be signed, x-amz-date among them."""
        signed = self.signature(canonical_request(method, path, query, headers, payload_hash))
        names = ";".join(sorted(name.lower() for name in headers))
        who = f"{self.credentials.access_key}/{self._scope}"
        return f"{ALGORITHM} Credential={who},SignedHeaders={names},Signature={signed}"

    def headers(self, method: str, host: str, path: str, query: str, payload_hash: str) -> dict[str, str]:
        """What a request to S3 needs beside its Host: the same length for every instant."""
        signed = {"x-amz-content-sha256": payload_hash, "x-amz-date": self.stamp}
        if self.credentials.session_token is not None:
            signed["x-amz-security-token"] = self.credentials.session_token
        said = self.authorization(method, path, query, {"host": host, **signed}, payload_hash)
        return {**signed, "Authorization": said}

    @cached_property
    def _key(self) -> bytes:
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
