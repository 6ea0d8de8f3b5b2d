"""A server's page of metrics, in Prometheus's text format."""

from typing import Any
from urllib.parse import urlsplit

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.monitor.prometheus import series_of
from loadgen.recipe.service import Tls
from loadgen.targets.encoding import encode_get, request_headers
from loadgen.targets.probe import Answer, ask, reach
from loadgen.targets.url import parse_url

TIMEOUT_S = 2.0


class MetricsPage:
    """A page that the recipe names, in the place of what the service says by itself."""

    def __init__(self, url: str, tls: Tls) -> None:
        self._url, self._tls = parse_url(url), tls
        parts = urlsplit(url)
        self._path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        self._address: Address | None = None

    def sample(self) -> dict[str, Any]:
        """Raises TargetError where it cannot be read."""
        self._address = self._address or reach(self._url, self._tls)
        request = encode_get(self._path, request_headers(self._url, None))
        return series_in(ask(self._url, self._address, request.raw, TIMEOUT_S), self._url.public)


def series_in(answer: Answer, name: str) -> dict[str, Any]:
    """What a page says. name: whose it is. Raises TargetError where it is no page of metrics."""
    if answer.status != 200:
        raise TargetError(f"{name}: its metrics are answered with {answer.status}")
    try:
        return dict(series_of(answer.text))
    except ValueError:
        raise TargetError(f"{name}: its metrics are not in Prometheus's text format") from None


def has_series(answer: Answer | None) -> bool:
    """Whether that is a page of metrics, and says something."""
    try:
        return answer is not None and bool(series_in(answer, ""))
    except TargetError:
        return False
