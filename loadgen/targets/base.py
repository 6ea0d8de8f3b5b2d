"""What a service is to the rest of the program: data and a few functions; no loop, and no socket but the probe's."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from loadgen.engine.contract import Address
from loadgen.plan.model import Operation, Request, Wire
from loadgen.targets.url import ServiceUrl


class Readiness(NamedTuple):
    """What the probe found. service: run.json's `service`. notes: lines for a person: adaptations, oddities."""

    address: Address
    notes: tuple[str, ...]
    service: dict[str, Any]


class Requests(NamedTuple):
    """The pool, operation after operation. sizes: how many requests of each operation. dataset: {name, sha256}."""

    requests: Iterator[Request]
    sizes: tuple[int, ...]
    dataset: dict[str, str | None]


class Target(Protocol):
    """weights: the share of each operation, of any sum."""

    wire: Wire
    operations: tuple[Operation, ...]
    weights: tuple[float, ...]

    async def prepare(self) -> Readiness:
        """Start, reach and probe the service. Raises TargetError with one line."""

    def build_requests(self, n_requests: int | None) -> Requests:
        """Every different request of the run, encoded as prepare() found that they must be; before it, as usual.

        n_requests: how many will be sent, where that is known. Raises RecipeError.
        """

    async def close(self) -> None:
        """Stop what prepare() started."""


def describe_service(url: ServiceUrl, kind: str, settings: dict[str, Any], **known: Any) -> dict[str, Any]:
    """run.json's `service`: every key, null where nothing is known."""
    unknown = dict.fromkeys(("version", "model", "image", "image_digest", "command", "job_id"))
    place = {"hostname": url.host, "port": url.port}
    return {"kind": kind, "name": kind, "url": url.public, **unknown, **place, "settings": settings, **known}
