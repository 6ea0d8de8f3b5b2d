"""Tables brought in by a thread of its own, while the event loop shows how far it is and hears when it is to stop."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from loadgen.errors import TargetError
from loadgen.targets.base import Filler
from loadgen.targets.postgresql.client import Refusal, Session
from loadgen.targets.postgresql.ownership import are_all_there, make_empty, remove
from loadgen.targets.postgresql.tables import TableSet, VectorTable, make_extension

SHOWN_EVERY_S = 0.25


class Filling:
    """What a run has made, so that it can be removed again. reuse: tables that are there are worked on as they are."""

    def __init__(self, tables: Sequence[TableSet], reuse: bool) -> None:
        self._tables, self._reuse = tables, reuse
        self._made: list[str] = []
        self._made_extension = False
        self._shown = ("fill", 0, 0)

    @property
    def left(self) -> str:
        """The tables that are still there, as messages name them; "" where there are none."""
        return " and ".join(self._made)

    async def run(self, session: Session, filler: Filler) -> None:
        """Make all. Raises TargetError. Whatever ends it early, filler.progress too, ends what the server does."""
        work = asyncio.create_task(asyncio.to_thread(self._bring_all, session))
        try:
            while not (await asyncio.wait([work], timeout=SHOWN_EVERY_S))[0]:
                filler.progress(*self._shown)
        except BaseException:
            await asyncio.to_thread(session.cancel)
            with suppress(TargetError):
                await work
            raise
        await work

    def remove(self, session: Session) -> None:
        """Raises TargetError."""
        remove(session, self._made)
        self._made = []
        if self._made_extension:
            with suppress(Refusal):  # somebody has begun to use it
                session.ask("DROP EXTENSION vector")

    def _bring_all(self, session: Session) -> None:
        for tables in self._tables:
            self._bring(tables, session)

    def _bring(self, tables: TableSet, session: Session) -> None:
        """The tables as the recipe wants them: as they are, or anew."""
        if isinstance(tables, VectorTable):
            self._made_extension = make_extension(session) or self._made_extension
        if self._reuse and are_all_there(session, tables):
            tables.check_fit(session)
            return
        self._made += tables.names
        make_empty(session, tables)
        tables.fill(session, lambda n_done, n_in_all: self._show(tables.names[0], n_done, n_in_all))

    def _show(self, name: str, n_done: int, n_in_all: int) -> None:
        self._shown = (f"fill {name}", n_done, n_in_all)
