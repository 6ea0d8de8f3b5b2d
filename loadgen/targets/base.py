"""What a service is to the rest of the program: data and a few functions; no loop, and no socket but the probe's."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.plan.model import Operation, Plan, Wire, Work
from loadgen.targets.url import ServiceUrl


class Readiness(NamedTuple):
    """What the probe found. service: run.json's `service`. notes: lines for a person: adaptations, oddities."""

    address: Address
    notes: tuple[str, ...]
    service: dict[str, Any]


class Filled(NamedTuple):
    """What became of a fill. error: what the first failure said; None where all succeeded."""

    n_succeeded: int
    n_failed: int
    error: str | None


class Filler(NamedTuple):
    """What fill() may use. fire(what, plan) carries a plan (see build_fill) on the run's engine, shown as progress.

    progress(what, n_done, n_in_all) shows what fill() does by itself.
    """

    fire: Callable[[str, Plan], Awaitable[Filled]]
    progress: Callable[[str, int, int], None]


class Finding(NamedTuple):
    """What a check after the run found: so many things looked at, so many of them wrong, and a line for a person."""

    name: str
    n_checked: int
    n_wrong: int
    text: str


class Target(Protocol):
    """One service of a run. Calls come in this order: work (for a plan before anything is sent), prepare, work, fill,
    sample while the load goes on, check, close.
    """

    wire: Wire
    operations: tuple[Operation, ...]

    async def prepare(self) -> Readiness:
        """Start, reach and probe the service. Raises TargetError with one line."""

    def work(self, n_requests: int | None) -> Work:
        """What is to be sent, as prepare() found that it must be, or as usual before it.

        n_requests: how many will be sent, where that is known. Raises RecipeError.
        """

    async def fill(self, filler: Filler) -> None:
        """Bring in the data that the load works on. Raises TargetError with one line."""

    def sample(self) -> dict[str, Any] | None:
        """What the server says of itself just now: flat, numbers and texts; None where it says nothing. Blocking."""

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        """After the load: whether what was written is there, and right. keys: see Ending.keys."""

    async def close(self) -> None:
        """Remove what fill() brought, where the recipe does not keep it; stop what prepare() started."""


class PlainTarget:
    """What most targets do where they have nothing to do."""

    async def fill(self, filler: Filler) -> None:
        """Nothing is needed."""

    def sample(self) -> dict[str, Any] | None:
        """Nothing is known."""
        return None

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        """Nothing to look at."""
        return ()

    async def close(self) -> None:
        """Nothing was started."""


def describe_service(url: ServiceUrl, kind: str, settings: dict[str, Any], **known: Any) -> dict[str, Any]:
    """run.json's `service`: every key, null where nothing is known."""
    unknown = dict.fromkeys(("version", "model", "image", "image_digest", "command", "job_id"))
    place = {"hostname": url.host, "port": url.port}
    return {"kind": kind, "name": kind, "url": url.public, **unknown, **place, "settings": settings, **known}
