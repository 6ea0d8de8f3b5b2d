"""PostgreSQL as the run sees it: probed, filled, watched, looked over, and left as it was found."""

import asyncio
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.plan.model import STAMP_BYTES, Wire, Work
from loadgen.recipe.model import Recipe
from loadgen.targets.base import Filler, Finding, PlainTarget, Readiness, describe_service
from loadgen.targets.conversation import converse
from loadgen.targets.postgresql import checks, facts
from loadgen.targets.postgresql.client import Session
from loadgen.targets.postgresql.endpoint import endpoint_of
from loadgen.targets.postgresql.filling import Filling
from loadgen.targets.postgresql.login import Credentials
from loadgen.targets.postgresql.models import PostgresqlService, PostgresqlWorkload
from loadgen.targets.postgresql.operations import Operations
from loadgen.targets.postgresql.ownership import (
    application_name,
    are_all_there,
    check_ownership,
    wait_for_others,
)
from loadgen.targets.postgresql.scram import Salter
from loadgen.targets.postgresql.tables import RowTable

LIMITS = ("statement_timeout", "lock_timeout", "transaction_timeout")


class PostgresqlTarget(PlainTarget):
    """One service of kind postgresql."""

    wire = Wire.POSTGRESQL

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, PostgresqlService)
        assert isinstance(recipe.workload, PostgresqlWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._asked = Operations(recipe.workload, recipe.seed)
        self.operations = self._asked.listed
        self._endpoint = endpoint_of(self._service)
        self._credentials = self._build_credentials()
        self._patient = replace(self._credentials, parameters={**self._credentials.parameters, **self._no_limits()})
        self._address: Address | None = None
        self._is_checked = self._workload.check and self._asked.rows.is_stamped
        self._settings: facts.Facts = {}
        self._books: checks.Books | None = None
        self._filling = Filling(self._asked.tables, self._workload.reuse)
        self._sampler: facts.Sampler | None = None

    def work(self, n_requests: int | None) -> Work:
        return self._asked.work(self._is_checked)

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    async def fill(self, filler: Filler) -> None:
        session = self._new_session()
        try:
            await asyncio.to_thread(session.open)
            await self._filling.run(session, filler)
            await asyncio.to_thread(self._look_once_more, session)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None
        finally:
            session.close()

    def sample(self) -> dict[str, Any] | None:
        try:
            return self._opened_sampler().sample()
        except TargetError:
            self._close_sampler()
            return None

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        try:
            return await asyncio.to_thread(self._check, keys)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    async def close(self) -> None:
        self._close_sampler()
        if self._filling.left and not self._workload.keep:
            try:
                await asyncio.to_thread(self._remove)
            except TargetError as error:
                text = f"{self._filling.left} could not be removed: {error}"
                raise TargetError(self._recipe.redacted(text)) from None

    def _build_credentials(self) -> Credentials:
        own = {"client_encoding": "UTF8", "application_name": application_name(self._asked.tables)}
        return Credentials(
            user=self._endpoint.user,
            database=self._endpoint.database,
            password=self._endpoint.password,
            parameters=own | self._service.session,
            salter=Salter(self._endpoint.password or ""),
        )

    def _no_limits(self) -> dict[str, str]:
        """The recipe's limits are meant for the load, not for what is made before it."""
        return {name: "0" for name in LIMITS if name in self._service.session}

    def _prepare(self) -> Readiness:
        reached = self._endpoint.reached()
        login = replace(self._credentials, statements=self._asked.statements).login
        self._address = replace(reached, login=login)
        with self._new_session() as session:
            check_ownership(session, self._asked.tables, self._workload.reuse)
            wait_for_others(session, self._asked.tables)
            self._settings = facts.settings_of(session)
            ready = Readiness(self._address, tuple(self._notes(session)), self._describe(session))
        self._opened_sampler()  # stays open, so that another loadgen sees that these tables are in use
        return ready

    def _notes(self, session: Session) -> list[str]:
        notes, n_clients = [], self._recipe.load.concurrency or 0
        if self._asked.works_on_rows and self._workload.check and not self._asked.rows.is_stamped:
            notes.append(f"values of less than {STAMP_BYTES} bytes have no room for a stamp: not checked")
        n_free = facts.free_connections(session)
        if n_free is not None and n_clients > n_free:
            notes.append(f"the server has {n_free} connections left, for {n_clients} clients: some will be refused")
        if self._workload.reuse and self._asked.works_on_rows and self._is_checked:
            notes += self._notes_of_reused_rows(session, self._asked.rows)
        return notes

    def _notes_of_reused_rows(self, session: Session, rows: RowTable) -> list[str]:
        """Values that somebody else put there have no stamp to be checked by."""
        if not are_all_there(session, rows) or rows.are_stamped(session):
            return []
        self._is_checked = False
        return [f"the values in {rows.names[0]} are not loadgen's: not checked"]

    def _describe(self, session: Session) -> dict[str, Any]:
        endpoint, version = self._endpoint, facts.version_of(session)
        place = {"hostname": "localhost", "port": None} if endpoint.url.is_socket else {}
        pgvector = {"pgvector": facts.pgvector_of(session)} if "vector_search" in self._workload.usual else {}
        if pgvector and pgvector["pgvector"] is None:
            raise TargetError(f"{endpoint.url.public}: vector_search needs the extension pgvector, which is not there")
        known = {"version": version, "database": endpoint.database, "tls": endpoint.tls is not None, **place}
        return describe_service(endpoint.url, self._service.kind, self._settings | pgvector, **known)

    def _look_once_more(self, session: Session) -> None:
        """What can be known only when all tables are there: their sums, and whether every statement can be prepared."""
        if "tpcb" in self._workload.usual:
            self._books = checks.books_of(session)
        assert self._address is not None
        converse(self._address).close()

    def _check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        found, has_keys = [], keys is not None and len(keys) > 0
        if self._books is None and not has_keys:
            return ()
        with self._new_session() as session:
            if self._books is not None:
                found.append(checks.check_books(session, self._books))
            if keys is not None and has_keys:
                found.append(checks.read_back(session, keys))
        return tuple(found)

    def _remove(self) -> None:
        with self._new_session() as session:
            self._filling.remove(session)

    def _new_session(self) -> Session:
        assert self._address is not None
        return Session(self._address, self._patient)

    def _opened_sampler(self) -> facts.Sampler:
        if self._sampler is None:
            sampler = facts.Sampler(self._new_session(), self._settings)
            sampler.open()
            self._sampler = sampler
        return self._sampler

    def _close_sampler(self) -> None:
        if self._sampler is not None:
            self._sampler.close()
        self._sampler = None
