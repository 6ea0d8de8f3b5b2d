"""What a service is to the rest of the program: data and a few functions; no loop, and no socket but the probe's."""

from typing import Any, NamedTuple, Protocol

from loadgen.engine.contract import Address
from loadgen.plan.model import Draft, Operation, Request, Wire
from loadgen.targets.url import ServiceUrl


class Readiness(NamedTuple):
    """What the probe found. service: run.json's `service`. notes: lines for a person: adaptations, oddities."""

    address: Address
    notes: tuple[str, ...]
    service: dict[str, Any]


class Target(Protocol):
    wire: Wire
    operations: tuple[Operation, ...]

    async def prepare(self) -> Readiness:
        """Start, reach and probe the service. Raises TargetError with one line."""

    def encode(self, draft: Draft) -> Request:
        """One ready-to-send request, as prepare() found that it must be, or as usual before it. Raises RecipeError."""

    async def close(self) -> None:
        """Stop what prepare() started."""


def describe_service(url: ServiceUrl, kind: str, settings: dict[str, Any], **known: Any) -> dict[str, Any]:
    """run.json's `service`: every key, null where nothing is known."""
    unknown = dict.fromkeys(("version", "model", "image", "image_digest", "command", "job_id"))
    place = {"hostname": url.host, "port": url.port}
    return {"kind": kind, "name": kind, "url": url.public, **unknown, **place, "settings": settings, **known}
