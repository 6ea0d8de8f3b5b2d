"""Where a PostgreSQL server listens and who logs in there, out of what a recipe's `service` says."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from loadgen.engine.contract import Address
from loadgen.recipe.service import Tls, UrlRules
from loadgen.targets.postgresql.messages import TLS_REQUEST
from loadgen.targets.probe import reach
from loadgen.targets.url import ServiceUrl, parse_url

if TYPE_CHECKING:
    from loadgen.targets.postgresql.models import PostgresqlService

SSL_MODES = {"disable": False, "require": True, "verify-ca": True, "verify-full": True}
"""Whether a connection is encrypted. `allow` and `prefer` would leave it to the server, and a load must know."""

_QUERY = ("host", "sslmode", "sslrootcert")
_SOCKET = re.compile(r"\.s\.PGSQL\.\d+")


@dataclass(frozen=True)
class Endpoint:
    """url: of a unix socket with that scheme. tls: None: in the clear."""

    url: ServiceUrl
    user: str
    password: str | None
    database: str
    tls: Tls | None

    def reached(self) -> Address:
        """Raises TargetError."""
        address = reach(self.url, self.tls or Tls())
        return address if self.tls is None else replace(address, tls=True, tls_request=TLS_REQUEST)


class PostgresqlUrl(UrlRules):
    """As libpq takes it: postgresql://[user[:password]@][host][:port][/database][?name=value…]."""

    def checked(self, url: str) -> str:
        """Raises ValueError, without the value itself: it may hold a password."""
        given = parse_url(url) if "://" in url and "[" not in url else None
        if given is not None and not given.host and given.query.get("host"):
            super().checked("postgresql://localhost/" + url.partition("?")[1] + url.partition("?")[2])
        else:
            url = super().checked(url)
        _check_query(dict(parse_url(url).query))
        return url


def _check_query(query: dict[str, str]) -> None:
    for name in query:
        if name not in _QUERY:
            raise ValueError(f"may have {', '.join(_QUERY)} after the ?, and not {name}")
    if query.get("sslmode", "disable") not in SSL_MODES:
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}: a load is encrypted or it is not")
    if not query.get("host", "/").startswith("/"):
        raise ValueError("host after the ? must be the folder of a unix socket, such as /run/postgresql")


def endpoint_of(service: "PostgresqlService") -> Endpoint:
    """Fields of the service come before what stands in its url."""
    given = parse_url(service.url)
    user = service.user or given.user or "postgres"
    database = service.database or given.database or user
    socket = _socket_path(service.unix_socket or given.query.get("host", ""), given.port)
    host = given.host or "localhost"
    tcp = ServiceUrl("postgresql", host, given.port, f"/{quote(database)}")
    place = ServiceUrl("unix", "localhost", 0, socket) if socket else tcp
    password = service.password.get_secret_value() if service.password else given.password
    return Endpoint(place, user, password or None, database, None if socket else _tls(service, given))


def _tls(service: "PostgresqlService", given: ServiceUrl) -> Tls | None:
    """`require` asks for no valid certificate, unless the recipe or an authority's file does."""
    mode, ca_file = given.query.get("sslmode"), given.query.get("sslrootcert")
    if not (SSL_MODES[mode] if mode else service.tls is not None):
        return None
    said = service.tls or Tls(verify=mode != "require" or ca_file is not None)
    return said if said.ca_file or not ca_file else Tls(verify=said.verify, ca_file=ca_file)


def _socket_path(place: str, port: int) -> str:
    """place: the socket itself, or the folder in which it lies."""
    if not place or _SOCKET.fullmatch(PurePosixPath(place).name):
        return place
    return str(PurePosixPath(place) / f".s.PGSQL.{port}")
