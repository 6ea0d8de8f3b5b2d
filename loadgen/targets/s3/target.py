"""An S3 store as the run sees it: probed, filled, watched, read back, and left as it was found."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.plan.keys import key_values
from loadgen.plan.model import FIRST_VERSION, STAMP_BYTES, Operation, Plan, Request, Wire, Work
from loadgen.plan.plan import build_fill
from loadgen.recipe.model import Recipe
from loadgen.targets.base import Filler, Finding, PlainTarget, Readiness, describe_service
from loadgen.targets.encoding import encode_http, request_headers
from loadgen.targets.probe import Answer, ask, check_scheme, reach
from loadgen.targets.s3 import bucket, metrics
from loadgen.targets.s3.bucket import Owner
from loadgen.targets.s3.contents import MAX_SINGLE_BYTES, PART_BYTES, Contents, drawn_sizes
from loadgen.targets.s3.endpoint import endpoint_of
from loadgen.targets.s3.models import S3Operation, S3Service, S3Workload
from loadgen.targets.s3.parts import PartsClient, Shared
from loadgen.targets.s3.read_back import read_back
from loadgen.targets.s3.requests import Requests, renewed
from loadgen.targets.s3.session import Reply, Session
from loadgen.targets.s3.versions import Versions

SAMPLE_TIMEOUT_S = 2.0
_ASKS_FOR_OBJECTS = frozenset(("get", "head", "list", "delete"))


class S3Target(PlainTarget):
    """One service of kind s3."""

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, S3Service)
        assert isinstance(recipe.workload, S3Workload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._names = tuple(cast(S3Operation, name) for name in self._workload.weights)
        self.operations = tuple(Operation(name) for name in self._names)
        self._bucket = self._workload.bucket or _usual_bucket(recipe)
        self._endpoint = endpoint_of(self._service, self._bucket)
        sizes = drawn_sizes(self._workload.object_bytes, recipe.seed, self._workload.objects)
        self._contents = Contents(recipe.seed, sizes, self._workload.check)
        self._requests = Requests(self._endpoint, self._contents, self._names, self._workload.list_keys)
        self.wire = Wire.CALL if self._contents.has_parts else Wire.HTTP
        self._versions = Versions(len(sizes))
        self._owner: Owner | None = None
        self._spared: frozenset[str] = frozenset()  # of somebody else's bucket: what was there
        self._may_have_written = False
        self._address: Address | None = None
        self._has_metrics = False

    @property
    def _fills(self) -> bool:
        return not _ASKS_FOR_OBJECTS.isdisjoint(self._names)

    def work(self, n_requests: int | None) -> Work:
        weights = tuple(self._workload.weights.values())
        if self.wire is Wire.CALL:
            calls = [Request(b"", operation=operation) for operation in range(len(self._names))]
            drawn = key_values(self._recipe.seed, self._workload.objects)
            return Work(calls, (1,) * len(calls), weights, self._dataset(), values=drawn)
        n_keys = self._workload.objects if self._requests.checks else 0
        return Work(
            self._requests.all(),
            self._requests.sizes,
            weights,
            self._dataset(),
            bodies=self._contents.octets,
            n_keys=n_keys,
            n_existing=n_keys if self._fills else 0,
            renewed=self._renewed(self._requests.all),
        )

    def client_factory(self) -> Callable[[], PartsClient] | None:
        """Makes the client of one connection, where objects must be put in parts."""
        if self.wire is not Wire.CALL or self._address is None:
            return None
        shared = Shared(self._endpoint, self._address, self._contents, self._workload.list_keys, self._versions)
        return lambda: PartsClient(shared)

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    async def fill(self, filler: Filler) -> None:
        """What an earlier run left is removed: this one would take it for its own."""
        self._may_have_written = True
        if self._owner is Owner.LOADGEN:
            await asyncio.to_thread(self._remove_objects, filler)
        if self._fills:
            await self._fill(filler)

    def sample(self) -> dict[str, Any] | None:
        if not self._has_metrics:
            return None
        answer = self._ask_metrics()
        return metrics.sampled(answer.text) if answer.status == 200 else None

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        states = self._versions.states if self.wire is Wire.CALL else keys
        if not self._requests.checks or (states is None and not self._keeps_all):
            return ()
        return (await asyncio.to_thread(self._read_back, states),)

    async def close(self) -> None:
        if self._owner is None or self._workload.keep:
            return
        owner, self._owner = self._owner, None
        try:
            await asyncio.to_thread(self._clear, owner)
        except TargetError as error:
            raise TargetError(f"the bucket {self._bucket} could not be cleared: {error}") from None

    @property
    def _keeps_all(self) -> bool:
        """Whether every object must be there in the end."""
        return self._fills and "delete" not in self._names

    def _prepare(self) -> Readiness:
        url = self._endpoint.url
        self._address = reach(url, self._service.tls)
        head = self._endpoint.head(self._endpoint.signer(), "GET", parameters={"list-type": "2", "max-keys": "1"})
        answer = ask(url, self._address, encode_http(*head, None).raw, self._recipe.load.timeout_s)
        check_scheme(url, answer)
        reply = Reply(answer.status, answer.body, answer.server)
        is_there = bucket.exists(reply, url.public, self._bucket, self._endpoint.credentials)
        with self._session() as session:
            self._take_bucket(session, is_there)
        version = self._look_at_metrics() if answer.server == "MinIO" else None
        described = describe_service(
            url,
            self._service.kind,
            self._service.settings,
            name=(answer.server or self._service.kind).split()[0].lower(),
            version=version or answer.server,
            bucket=self._bucket,
            region=self._service.region,
            addressing="virtual" if self._endpoint.is_virtual else "path",
        )
        return Readiness(self._address, tuple(self._notes()), described)

    def _take_bucket(self, session: Session, is_there: bool) -> None:
        """Make it, or find out whose it is. Raises TargetError for one that is not ours to use."""
        if not is_there:
            bucket.make(session, self._service.region)
            self._owner = Owner.NOBODY
            return
        owner = bucket.owner_of(session)
        if owner is Owner.OTHERS:
            if not self._workload.reuse:
                raise TargetError(
                    f"{session.name}: the bucket {self._bucket} is there already, and not made by loadgen: choose"
                    " another workload.bucket, or allow it to be used with workload.reuse: true"
                )
            self._spared = frozenset(key for keys in bucket.our_keys(session) for key in keys)
        self._owner = owner

    def _notes(self) -> list[str]:
        notes = []
        if self._endpoint.credentials is None:
            notes.append("service.access_key is not given: requests are not signed")
        if self._workload.check and min(self._contents.sizes) < STAMP_BYTES:
            notes.append(f"objects of less than {STAMP_BYTES} bytes have no room for a stamp: not checked")
        if self.wire is Wire.CALL:
            in_mib = (MAX_SINGLE_BYTES >> 20, PART_BYTES >> 20)
            notes.append("objects above {} MiB are put in parts of {} MiB, one after the other".format(*in_mib))
        if {"delete", "head"} <= set(self._names):
            notes.append("a head of an object that a delete has removed is a 404, and counts as a failure")
        return notes

    def _look_at_metrics(self) -> str | None:
        """The version; MinIO tells it, with much else, where its metrics are public."""
        try:
            answer = self._ask_metrics()
        except TargetError:
            return None
        self._has_metrics = answer.status == 200
        return metrics.version_of(answer.text) if self._has_metrics else None

    def _ask_metrics(self) -> Answer:
        assert self._address is not None
        url = self._endpoint.url
        request = encode_http("GET", metrics.PATH, request_headers(url, None), None)
        return ask(url, self._address, request.raw, SAMPLE_TIMEOUT_S)

    async def _fill(self, filler: Filler) -> None:
        n_objects = self._workload.objects
        filled = await filler.fire("putting objects", self._fill_plan(n_objects))
        if filled.n_succeeded < n_objects:
            n_missing = n_objects - filled.n_succeeded
            said = self._recipe.redacted(filled.error or "no reason was given")
            where = self._endpoint.url.public
            raise TargetError(f"{where}: {n_missing} of {n_objects} objects could not be put: {said}")

    def _fill_plan(self, n_objects: int) -> Plan:
        if self.wire is Wire.CALL:
            one_by_one = key_values(0, n_objects, "sequential")
            work = Work((Request(b""),), (1,), (1.0,), values=one_by_one)
        else:
            n_keys = n_objects if self._requests.checks else 0
            puts = self._requests.puts(0)
            work = Work(puts, (n_objects,), (1.0,), bodies=self._contents.octets, n_keys=n_keys)
        plan = build_fill(self._recipe, self, work, n_objects)
        again = None if self.wire is Wire.CALL else self._renewed(lambda: self._requests.puts(0))
        return replace(plan, operations=(Operation("put"),), renewed=again)

    def _renewed(self, requests: Callable[[], Any]) -> Callable[[], NDArray[np.uint8]] | None:
        return None if self._endpoint.credentials is None else renewed(requests)

    def _session(self) -> Session:
        assert self._address is not None
        return Session(self._endpoint, self._address)

    def _remove_objects(self, filler: Filler) -> None:
        with self._session() as session:
            bucket.remove_objects(session, (), filler.progress)

    def _read_back(self, states: NDArray[Any] | None) -> Finding:
        with self._session() as session:
            return read_back(session, self._contents, _floors(states, self._workload.objects))

    def _clear(self, owner: Owner) -> None:
        with self._session() as session:
            if owner is not Owner.OTHERS:
                bucket.remove(session, _in_silence)
            elif self._may_have_written:
                bucket.remove_objects(session, self._spared, _in_silence)

    def _dataset(self) -> dict[str, str | None]:
        smallest, largest = min(self._contents.sizes), max(self._contents.sizes)
        size = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
        return {"name": f"{self._workload.objects} objects of {size} bytes", "sha256": None}


def _usual_bucket(recipe: Recipe) -> str:
    """Of its own for each workload, so that what a killed run left is only found by its like."""
    said = f"{recipe.seed} {recipe.workload.model_dump_json()}"
    return f"loadgen-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def _floors(states: NDArray[Any] | None, n_objects: int) -> NDArray[np.uint32]:
    """The oldest right version of each object; 0 where it may be gone, or nothing is known.

    states: None: every object was put, and none was removed.
    """
    if states is None:
        return np.full(n_objects, FIRST_VERSION, np.uint32)
    floors: NDArray[np.uint32] = np.where(states["latest_delete"] < states["floor"], states["floor"], 0)
    return floors


def _in_silence(what: str, n_done: int, n_in_all: int) -> None:
    """Nobody watches what is done in the end."""
