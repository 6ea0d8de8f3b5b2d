"""A service's address, taken apart."""

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ServiceUrl:
    """user_pass: what stood before the @, decoded; it is a secret and in no text that this class gives."""

    scheme: str
    host: str
    port: int
    path: str  # without a / at its end
    user_pass: str | None

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def public(self) -> str:
        """The address as messages and files give it."""
        return f"{self.scheme}://{self.host_header}{self.path}"

    @property
    def authorization(self) -> str | None:
        """The Basic credentials of an address such as http://user:password@host."""
        return f"Basic {b64encode(self.user_pass.encode()).decode()}" if self.user_pass else None


def parse_url(url: str) -> ServiceUrl:
    """The recipe has checked it: http or https, a host, a port that is a number."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    user_pass = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return ServiceUrl(
        scheme=parts.scheme,
        host=host if host.isascii() else host.encode("idna").decode(),
        port=parts.port or _USUAL_PORTS[parts.scheme],
        path=parts.path.rstrip("/"),
        user_pass=user_pass,
    )
