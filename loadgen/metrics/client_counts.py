"""What a service's requests tell of the load generator itself, counted block after block."""

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.latency import per_request_ns
from loadgen.records import NEVER, Phase
from loadgen.units import NS_PER_US

LAG_FLOOR_NS = 100 * NS_PER_US
"""Waking up a sleeping CPU takes up to about this: below it nobody can say whose delay it is."""

_FEW = 2**16 - 1
"""So many numbers are told apart by 16 bits, -1 included, which numpy sorts five times as fast."""

_UNKNOWN_NS = 2**62  # later than anything: when a connection was freed whose request has no last byte


class ClientCounts:
    """Of the measured window.

    own_send_lag: how late requests left *after* both their planned instant and the instant at which their connection
    was free. So the wait for a connection, which is the service's slowness (and the connection limit's), is not in it.
    Requests of which that cannot be told are left out: those sent in one batch with another, and those whose
    connection's last request had no end.
    """

    def __init__(self) -> None:
        self.own_send_lag = Histogram()
        self.n_sent = 0
        self.n_waited = 0  # for a free connection
        self.n_events = 0  # content events
        self.n_shared_stamps = 0  # those of them whose stamp is that of a later one read with them
        self._freed_at_ns = np.zeros(64, np.int64)  # of each connection, by its number

    def add(self, requests: Columns) -> None:
        """requests: of one service, of any phase, in the order in which they ended."""
        lags_ns, waited = self._own_send_lags(requests)
        if requests.only("phase") == Phase.MEASURE and requests.is_whole("sent_at_ns") and waited is None:
            self.own_send_lag.add(lags_ns)  # nearly every block of a fast load
            self.n_sent += len(requests)
        else:
            self._add_some(requests, lags_ns, waited)
        if requests.has_tokens:
            measured = requests.where("phase", Phase.MEASURE)
            self.n_events += int(measured["n_events"].sum(dtype=np.int64))
            self.n_shared_stamps += int(measured["n_shared_stamps"].sum(dtype=np.int64))

    def _add_some(self, requests: Columns, lags_ns: NDArray[np.int64], waited: NDArray[np.bool_] | None) -> None:
        measured = requests["phase"] == Phase.MEASURE
        self.own_send_lag.add(lags_ns[measured & (lags_ns >= 0)])
        self.n_sent += int(np.count_nonzero(measured & (requests["sent_at_ns"] >= 0)))
        self.n_waited += 0 if waited is None else int(np.count_nonzero(measured & waited))

    def _own_send_lags(self, requests: Columns) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """(ns, NEVER where it cannot be told; whether it waited for a free connection), each of shape (n,).

        None: none of them waited, nor can any of them not be told but for those that were not sent.
        """
        lags_ns = per_request_ns("send_lag", requests)
        if int(lags_ns.max(initial=NEVER)) <= LAG_FLOOR_NS:
            self._keep_freed(requests)
            return lags_ns, None
        is_late = lags_ns > LAG_FLOOR_NS
        planned_ns, sent_ns = requests["planned_at_ns"][is_late], requests["sent_at_ns"][is_late]
        freed_ns = self._freed_before(requests, is_late)
        self._keep_freed(requests)
        lags_ns, waited = lags_ns.copy(), is_late
        lags_ns[is_late] = np.where(freed_ns > sent_ns, NEVER, sent_ns - np.maximum(planned_ns, freed_ns))
        waited[is_late] = (freed_ns > planned_ns) & (freed_ns <= sent_ns)
        return lags_ns, waited

    def _freed_before(self, requests: Columns, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """When the connection of each chosen request had become free for it, shape (n_chosen,); 0: from the start.

        Only what went over the connections of those that are chosen is looked at: they are mostly few.
        """
        connections = requests["connection"]
        self._reach(connections)
        is_of_interest = np.zeros(len(self._freed_at_ns), np.bool_)
        is_of_interest[connections[chosen & (connections >= 0)]] = True
        places = np.flatnonzero(is_of_interest[connections] | chosen)
        freed_ns = self._freed_of(connections[places], _ends_ns(requests)[places])
        return freed_ns[chosen[places]]

    def _freed_of(self, connections: NDArray[np.int32], ends_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same of every request that these connections carried, in their order."""
        few = len(self._freed_at_ns) < _FEW
        order = np.argsort(connections.astype(np.uint16) if few else connections, kind="stable")
        follows = np.zeros(len(order), np.bool_)
        follows[1:] = (connections[order[1:]] == connections[order[:-1]]) & (connections[order[1:]] >= 0)
        freed_ns = np.where(connections >= 0, self._freed_at_ns[np.maximum(connections, 0)], 0)
        freed_ns[order[follows]] = ends_ns[order[np.flatnonzero(follows) - 1]]
        return freed_ns

    def _keep_freed(self, requests: Columns) -> None:
        """Of several on one connection the last one counts."""
        connections = requests["connection"]
        self._reach(connections)
        on_one = connections >= 0
        self._freed_at_ns[connections[on_one]] = _ends_ns(requests)[on_one]

    def _reach(self, connections: NDArray[np.int32]) -> None:
        n = int(connections.max(initial=NEVER)) + 1
        n_known = len(self._freed_at_ns)
        if n > n_known:
            self._freed_at_ns = np.pad(self._freed_at_ns, (0, max(n, 2 * n_known) - n_known))


def _ends_ns(requests: Columns) -> NDArray[np.int64]:
    """When each request's connection became free; later than anything where that is not known."""
    ends_ns = requests["done_at_ns"]
    return ends_ns if requests.is_whole("done_at_ns") else np.where(ends_ns >= 0, ends_ns, _UNKNOWN_NS)
