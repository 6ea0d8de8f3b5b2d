"""A bucket as requests name it: where its name stands, and how they are signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

from pydantic import SecretStr

from loadgen.targets.encoding import request_headers
from loadgen.targets.s3.models import S3Service
from loadgen.targets.s3.sigv4 import EMPTY_SHA256, Credentials, Signer, canonical_query, encoded_path
from loadgen.targets.url import ServiceUrl, parse_url

NOTHING: Mapping[str, str] = {}
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


class Head(NamedTuple):
    """A request but for its body. target: path and query as they are sent."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Endpoint:
    """One bucket of a store. credentials: None: nothing is signed."""

    url: ServiceUrl
    bucket: str
    is_virtual: bool
    credentials: Credentials | None

    @property
    def host(self) -> str:
        return f"{self.bucket}.{self.url.host_header}" if self.is_virtual else self.url.host_header

    def path(self, key: str = "") -> str:
        """Encoded. key: "": the bucket itself."""
        bucket = "" if self.is_virtual else f"/{self.bucket}"
        return self.url.path + bucket + (encoded_path(f"/{key}") if key or self.is_virtual else "")

    def signer(self, at: datetime | None = None) -> Signer | None:
        """at: None: now."""
        return None if self.credentials is None else Signer(self.credentials, at or datetime.now(UTC))

    def head(
        self,
        signer: Signer | None,
        method: str,
        key: str = "",
        parameters: Mapping[str, str] = NOTHING,
        payload_hash: str = EMPTY_SHA256,
    ) -> Head:
        path, query = self.path(key), canonical_query(parameters)
        signed = {} if signer is None else signer.headers(method, self.host, path, query, payload_hash)
        return Head(method, f"{path}?{query}" if query else path, {**self._usual, **signed})

    @cached_property
    def _usual(self) -> dict[str, str]:
        return request_headers(self.url, None, {"Host": self.host})


def endpoint_of(service: S3Service, bucket: str) -> Endpoint:
    url = parse_url(service.url)
    return Endpoint(url, bucket, _is_virtual(service, url, bucket), _credentials_of(service))


def _is_virtual(service: S3Service, url: ServiceUrl, bucket: str) -> bool:
    """A bucket with a dot in its name has no certificate of its own below amazonaws.com."""
    if service.addressing != "auto":
        return service.addressing == "virtual"
    return url.host.endswith(_AMAZON) and not (url.tls and "." in bucket)


def _credentials_of(service: S3Service) -> Credentials | None:
    if service.access_key is None or service.secret_key is None:
        return None
    key, secret = service.access_key.get_secret_value(), service.secret_key.get_secret_value()
    return Credentials(key, secret, service.region, _text(service.session_token))


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
