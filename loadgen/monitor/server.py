"""What servers say of themselves, on connections of their own."""

from collections.abc import Mapping
from typing import Any, Protocol

from loadgen.monitor.watcher import Look

SETTLES_S = 0.1
"""A PostgreSQL, say, counts what a connection did when that is closed."""


class Sampled(Protocol):
    def sample(self) -> dict[str, Any] | None:
        """Flat; None where the server says nothing. Blocking."""


class ServerSource:
    """services: each by its name; "" where there is one. One that has nothing to say, or is gone before the load, is
    asked no more. is_expected: that is worth a note.
    """

    name, settles_s = "server", SETTLES_S

    def __init__(self, services: Mapping[str, Sampled], is_expected: bool = False) -> None:
        self.notes: list[str] = []
        self._services, self._is_expected = dict(services), is_expected
        self._has_begun = False
        self._silent: set[str] = set()

    def look(self) -> list[Look] | None:
        looks = [look for name in list(self._services) for look in self._ask(name)]
        self._has_begun = True
        return looks if self._services else None

    def close(self) -> None:
        """The targets close their own connections."""

    def _ask(self, name: str) -> list[Look]:
        """A server that fails while the load goes on may come back."""
        try:
            values = self._services[name].sample()
        except Exception as error:
            self._fail(name, error)
            return []
        if values is None:
            del self._services[name]
            return []
        return [Look(values, name)]

    def _fail(self, name: str, error: Exception) -> None:
        whose = f"{name}: " if name else ""
        if not self._has_begun:
            del self._services[name]
            if self._is_expected:
                self.notes.append(f"monitor.server: nothing is watched: {whose}{error}")
        elif name not in self._silent:
            self._silent.add(name)
            self.notes.append(f"monitor/server.jsonl: {whose}could not be asked at times: {error}")
