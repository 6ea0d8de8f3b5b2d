"""A service's address, taken apart."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_USUAL_PORTS = {
    "http": 80,
    "https": 443,
    "redis": 6379,
    "rediss": 6379,
    "valkey": 6379,
    "valkeys": 6379,
    "postgresql": 5432,
    "postgres": 5432,
}
_WITH_TLS = frozenset(("https", "rediss", "valkeys"))


@dataclass(frozen=True)
class ServiceUrl:
    """user, password: what stood before the @, decoded: in no text that this class gives. port: 0 of a unix socket.

    path: without a / at its end; of a unix socket where it lies. query: its values, decoded.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def tls(self) -> bool:
        """Whether the scheme says so; PostgreSQL's says nothing."""
        return self.scheme in _WITH_TLS

    @property
    def is_socket(self) -> bool:
        return self.scheme == "unix"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def public(self) -> str:
        """The address as messages and files give it."""
        return f"{self.scheme}://{'' if self.is_socket else self.host_header}{self.path}"

    @property
    def database(self) -> str:
        """What the path names, decoded: `5` of redis://host/5, `shop` of postgresql://host/shop; "" where nothing."""
        return "" if self.is_socket else unquote(self.path.removeprefix("/"))

    @property
    def authorization(self) -> str | None:
        """The Basic credentials of an address such as http://user:password@host."""
        if not self.user:
            return None
        user_pass = f"{self.user}:{self.password or ''}"
        return f"Basic {b64encode(user_pass.encode()).decode()}"


def parse_url(url: str) -> ServiceUrl:
    """The recipe has checked it: a scheme that its service knows, a host or a socket's path, a port that is a number.

    Without a port it is the scheme's usual one; 0 where it has none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return ServiceUrl(
        scheme=parts.scheme,
        host=host if host.isascii() else host.encode("idna").decode(),
        port=parts.port or _USUAL_PORTS.get(parts.scheme, 0),
        path=parts.path.rstrip("/"),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )
