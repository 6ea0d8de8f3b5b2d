"""Redis as the run sees it: probed, filled, watched, read back, and left as it was found."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.plan.model import STAMP_BYTES, Operation, Wire, Work
from loadgen.plan.plan import build_fill
from loadgen.recipe.model import Recipe
from loadgen.targets.base import Filler, Finding, PlainTarget, Readiness, describe_service
from loadgen.targets.conversation import name_of
from loadgen.targets.probe import reach
from loadgen.targets.redis import commands, facts
from loadgen.targets.redis.keyspace import claim, foreign_key, owned, remove
from loadgen.targets.redis.login import credentials_of
from loadgen.targets.redis.model import RedisService, RedisWorkload
from loadgen.targets.redis.probing import check_single, check_workload, holds_others
from loadgen.targets.redis.read_back import read_back
from loadgen.targets.redis.session import Session
from loadgen.targets.url import parse_url

SAMPLE_TIMEOUT_S = 2.0
FILL_BYTES = 256 << 10
"""So much of the preload is on its way on each connection."""

MAX_FILL_PIPELINE = 256


class RedisTarget(PlainTarget):
    """One service of kind redis."""

    wire = Wire.REDIS

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, RedisService)
        assert isinstance(recipe.workload, RedisWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self.operations = tuple(Operation(name) for name in self._workload.weights)
        self._url = parse_url(self._service.url)
        self._credentials = credentials_of(self._service)
        self._value = commands.value_of(self._workload, recipe.seed)
        self._spans = commands.written_spans(self._workload)
        self._preloads = self._workload.preload and commands.reads_or_sets(self._workload)
        self._keeps_all = True  # no key is dropped by the server
        self._ours: dict[str, int] = {}
        self._all_ours = False  # whatever of the spans is there
        self._brought = False
        self._notes: list[str] = []
        self._address: Address | None = None
        self._sampler: Session | None = None

    def work(self, n_requests: int | None) -> Work:
        requests = tuple(commands.requests_of(self._workload, self._value))
        checks = any(request.check for request in requests) and self._keeps_all
        n_keys = self._workload.keys if checks else 0
        return Work(
            requests,
            (1,) * len(requests),
            tuple(self._workload.weights.values()),
            self._dataset(),
            commands.draws_of(self._workload, self._recipe.seed) if any(one.slots for one in requests) else None,
            n_keys=n_keys,
            n_existing=n_keys if self._preloads else 0,
            pipeline=self._workload.pipeline,
        )

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(self._with_name(str(error)))) from None

    async def fill(self, filler: Filler) -> None:
        await asyncio.to_thread(self._make_room, filler)
        if self._preloads:
            await self._preload(filler)

    def sample(self) -> dict[str, Any] | None:
        if self._address is None:
            return None
        try:
            self._sampler = self._sampler or Session(self._address, SAMPLE_TIMEOUT_S)
            info = facts.read_info(self._sampler.ask("INFO"))
        except TargetError:
            self._close_sampler()
            return None
        return facts.sampled(info) or None

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        if keys is None or not len(keys) or self._address is None:
            return ()
        return (await asyncio.to_thread(read_back, self._address, keys, self._workload.value_bytes),)

    async def close(self) -> None:
        self._close_sampler()
        if self._brought and self._workload.preload and not self._workload.keep:
            with suppress(TargetError):  # the server has gone: so have, most likely, its keys
                await asyncio.to_thread(self._remove)
        self._brought = False

    def _prepare(self) -> Readiness:
        self._address = replace(reach(self._url, self._service.tls), login=self._credentials.login)
        with Session(self._address) as session:
            info, config = facts.read_info(session.ask("INFO")), facts.read_config(session)
            check_single(info)
            check_workload(session, self._workload, config)
            self._look(session)
            if not self._preloads and self._value.is_stamped and holds_others(session, self._workload.keys):
                self._value = replace(self._value, is_stamped=False)
                self._notes.append("what is there was not put there by loadgen: nothing is checked")
        self._keeps_all = not facts.may_evict(info)
        protocol = 3 if self._credentials.hello else 2
        self._note(info, protocol)
        return Readiness(self._address, tuple(self._notes), self._describe(info, config, protocol))

    def _with_name(self, text: str) -> str:
        """Which server it is, where the text does not say so."""
        address = "" if self._address is None else name_of(self._address)
        is_named = self._url.public in text or (address and address in text)
        return text if is_named else f"{self._url.public}: {text}"

    def _describe(self, info: facts.Info, config: facts.Info, protocol: int) -> dict[str, Any]:
        known = {**facts.described(info, config, protocol), "database": self._credentials.database}
        if self._url.is_socket:
            known |= {"hostname": "localhost", "port": None}
        return describe_service(self._url, self._service.kind, self._service.settings, **known)

    def _note(self, info: facts.Info, protocol: int) -> None:
        if protocol == 2 and self._service.protocol == "auto":
            self._notes.append("the server does not know RESP3: spoken to in RESP2")
        if self._checks_are_wanted() and self._workload.value_bytes < STAMP_BYTES:
            self._notes.append(f"values of less than {STAMP_BYTES} bytes have no room for a stamp: not checked")
        if self._checks_are_wanted() and not self._keeps_all:
            policy = info["maxmemory_policy"]
            self._notes.append(f"the server may drop keys ({policy}): a missing or an old one is not called wrong")

    def _checks_are_wanted(self) -> bool:
        return self._workload.check and not self._workload.usual.keys().isdisjoint(("get", "set"))

    def _look(self, session: Session) -> None:
        """Whose keys are there already. Raises TargetError where they are somebody else's."""
        self._ours = owned(session)
        if not self._spans:
            return
        hint = "; workload.reuse: true writes over what is there, or choose another service.database"
        try:
            foreign = foreign_key(session, self._spans, self._ours)
        except TargetError as error:
            if not self._workload.reuse:
                raise TargetError(f"cannot see whether keys of others are in the way: {error}{hint}") from None
            return
        if foreign is not None and not self._workload.reuse:
            raise TargetError(f"{foreign} is there already, and not from loadgen{hint}")
        self._all_ours = foreign is None

    def _make_room(self, filler: Filler) -> None:
        """Whatever an earlier run left would be found by this one."""
        if not self._all_ours or self._address is None:
            return
        with Session(self._address) as session:
            if self._ours and self._workload.preload:
                remove(session, self._ours, filler.progress)
                self._ours = {}
            claim(session, self._spans, self._ours)
        self._brought = True

    async def _preload(self, filler: Filler) -> None:
        n_keys, operation = self._workload.keys, 0
        pipeline = min(max(FILL_BYTES // self._workload.value_bytes, 1), MAX_FILL_PIPELINE)
        work = Work(
            (commands.preload_request(self._value, operation),),
            (1,),
            (1.0,),
            values=commands.in_order(n_keys),
            n_keys=n_keys if self._value.is_stamped else 0,
            pipeline=pipeline,
        )
        filled = await filler.fire("preload", build_fill(self._recipe, self, work, n_keys))
        if filled.n_failed or filled.n_succeeded < n_keys:
            raise TargetError(f"preload: {n_keys - filled.n_succeeded} of {n_keys} keys were not set: {filled.error}")

    def _remove(self) -> None:
        assert self._address is not None
        with Session(self._address) as session:
            remove(session, {**self._ours, **self._spans})

    def _dataset(self) -> dict[str, str | None]:
        workload = self._workload
        name = f"{workload.keys} keys, {workload.key_distribution}, values of {workload.value_bytes} bytes"
        return {"name": name, "sha256": None}

    def _close_sampler(self) -> None:
        if self._sampler is not None:
            self._sampler.close()
        self._sampler = None
