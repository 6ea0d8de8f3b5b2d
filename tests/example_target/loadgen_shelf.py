"""Shelf, a store of documents over HTTP, as a kind of service for loadgen: `service: {kind: shelf, url: …}`."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from loadgen.errors import TargetError
from loadgen.plan.keys import KeyDistribution, key_values
from loadgen.plan.model import STAMP_BYTES, Check, Operation, Request, Wire, Work
from loadgen.plan.plan import build_fill
from loadgen.plan.stamps import CRC_START, crc32c, filler
from loadgen.recipe.base import PositiveFloat, Section, problem_at
from loadgen.recipe.kinds import Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import HttpReached
from loadgen.targets.base import Filler, PlainTarget, Readiness, describe_service
from loadgen.targets.encoding import encode_get, encode_http, request_headers
from loadgen.targets.probe import Answer, ask, reach
from loadgen.targets.slots import STAMP, Part
from loadgen.targets.url import parse_url

Name = Literal["get", "put"]


class ShelfService(HttpReached):
    """Shelf."""

    kind: Literal["shelf"] = Field(description="Which service this is.")


class ShelfWorkload(Section):
    """Documents that are put and got."""

    operations: Annotated[dict[Name, PositiveFloat], Field(min_length=1)] = Field(
        default={"get": 9.0, "put": 1.0}, description="get and put, with their weights. Default: {get: 9, put: 1}."
    )
    keys: Annotated[int, Field(ge=1, lt=2**31)] = Field(default=1000, description="How many documents there are.")
    key_distribution: KeyDistribution = Field(
        default="uniform", description="How often each comes: uniform, zipfian or sequential."
    )
    value_bytes: Annotated[int, Field(ge=1)] = Field(default=256, description="Length of a document.")
    check: bool = Field(default=True, description="Whether every document that is got is checked.")

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's share, in the order of the target's operations."""
        return {str(name): weight for name, weight in self.operations.items()}

    @model_validator(mode="after")
    def _stamps_fit(self) -> "ShelfWorkload":
        if self.check and self.value_bytes < STAMP_BYTES:
            raise problem_at("value_bytes", f"must be >= {STAMP_BYTES} to be checked, got {self.value_bytes}")
        return self


class ShelfTarget(PlainTarget):
    """What the run asks of a service, and nothing of how it is carried: no socket, no loop."""

    wire = Wire.HTTP

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, ShelfService)
        assert isinstance(recipe.workload, ShelfWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._url = parse_url(recipe.service.url)
        self._headers = request_headers(self._url, None, recipe.service.headers)
        self.operations = tuple(Operation(name) for name in self._workload.operations)

    async def prepare(self) -> Readiness:
        """Is it there, and is it what the recipe says? Blocking calls go to a thread."""
        return await asyncio.to_thread(self._probe)

    def _probe(self) -> Readiness:
        address = reach(self._url, self._service.tls)
        answer: Answer = ask(self._url, address, encode_get(f"{self._url.path}/about", self._headers).raw, 5.0)
        if answer.status != 200 or not isinstance(answer.json, dict):
            raise TargetError(f"{self._url.public}: no Shelf here: GET /about is answered with {answer.status}")
        known = {"version": answer.json.get("version")}
        return Readiness(address, (), describe_service(self._url, "shelf", self._service.settings, **known))

    def work(self, n_requests: int | None) -> Work:
        """One request an operation: the key that each send is about is drawn, and written into its slot."""
        return self._work(list(self._workload.operations), tuple(self._workload.weights.values()))

    async def fill(self, filler: Filler) -> None:
        """Every document is put once before the load; the run's own engine does it, and shows how far it is."""
        n = self._workload.keys
        plan = build_fill(self._recipe, self, self._work(["put"], (1.0,), is_fill=True), n)
        filled = await filler.fire(f"putting {n:,} documents", plan)
        if filled.n_failed:
            raise TargetError(f"{self._url.public}: {filled.n_failed} documents could not be put: {filled.error}")

    def _work(self, names: Sequence[Name], weights: tuple[float, ...], is_fill: bool = False) -> Work:
        how: KeyDistribution = "sequential" if is_fill else self._workload.key_distribution
        n_keys = self._workload.keys if self._workload.check else 0
        return Work(
            [self._request(name, operation) for operation, name in enumerate(names)],
            (1,) * len(names),
            weights,
            values=key_values(self._recipe.seed, self._workload.keys, how),
            n_keys=n_keys,
            n_existing=n_keys,
        )

    def _request(self, name: Name, operation: int) -> Request:
        """{key} in the path is a slot; a checked document ends in a stamp, which the engine writes and reads."""
        path = f"{self._url.path}/docs/{{key}}"
        is_checked = self._workload.check
        if name == "get":
            check = Check.READ if is_checked else Check.NONE
            return encode_get(path, self._headers, operation)._replace(check=check)
        text = filler(self._recipe.seed, self._workload.value_bytes - (STAMP_BYTES if is_checked else 0))
        content: list[Part] = [text, STAMP] if is_checked else [text]
        check = Check.WRITE if is_checked else Check.NONE
        known: dict[str, Any] = {"operation": operation, "check": check, "crc": crc32c(CRC_START, text)}
        return encode_http("PUT", path, self._headers, content, **known)


KIND = Kind(ShelfService, ShelfWorkload, ShelfTarget, about="Shelf, a store of documents")
