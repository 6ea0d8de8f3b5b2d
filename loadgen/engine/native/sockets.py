"""Sockets for loops that do not connect by themselves: opened and logged in beside the load, a few at a time."""

import socket
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from loadgen.engine import _native
from loadgen.engine.contract import Address, Live
from loadgen.errors import TargetError
from loadgen.plan.model import Plan
from loadgen.targets.conversation import converse
from loadgen.units import s_from_ns

AT_ONCE = 8
SPARE = 64
"""An open loop's connections are so many as it may ever need; to hold them all is a load of its own on some servers."""

LOOK_S = 0.05


class SocketGiver:
    """Opens what the loops ask for, each connection once at a time."""

    def __init__(self, address: Address, loops: Sequence[_native.Loop], plan: Plan) -> None:
        self._address, self._loops = address, loops
        self._timeout_s = s_from_ns(plan.timeout_ns)
        self._is_open_loop = plan.open_loop
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="loadgen-sockets")
        self._opening: dict[tuple[int, int], Future[socket.socket]] = {}

    def give_all(self, live: Live) -> None:
        """Before the load: every connection, or SPARE of an open loop's; until the server lets no more in.

        Returns early where the run is to end. The others are opened when they are asked for.
        """
        places = [
            (number, connection) for number, loop in enumerate(self._loops) for connection in range(loop.n_connections)
        ]
        if self._is_open_loop:
            del places[SPARE:]
        while (places or self._opening) and not live.stop_asked:
            while places and len(self._opening) < AT_ONCE:
                self._begin(*places.pop(0))
            wait(self._opening.values(), LOOK_S, FIRST_COMPLETED)
            if self._hand_over():
                places.clear()  # the rest are asked for when they are needed

    def give_wanted(self) -> None:
        """Hand over what is open by now, and begin with what is asked for since."""
        self._hand_over()
        for number, loop in enumerate(self._loops):
            for connection in loop.wanted():
                self._begin(number, connection)

    def close(self) -> None:
        """Close what nobody will take any more."""
        self._pool.shutdown(cancel_futures=True)
        for opening in self._opening.values():
            if not opening.cancelled() and opening.exception() is None:
                opening.result().close()
        self._opening.clear()

    def _begin(self, number: int, connection: int) -> None:
        if (number, connection) not in self._opening:
            opened = self._pool.submit(partial(converse, self._address, timeout_s=self._timeout_s))
            self._opening[number, connection] = opened

    def _hand_over(self) -> int:
        """How many could not be opened."""
        n_refused = 0
        for (number, connection), opening in list(self._opening.items()):
            if not opening.done():
                continue
            del self._opening[number, connection]
            try:
                opened = opening.result()
            except (OSError, TargetError) as reason:
                self._loops[number].refuse(connection, str(reason).encode())
                n_refused += 1
                continue
            opened.setblocking(False)
            self._loops[number].give(connection, opened.detach())
        return n_refused
