"""How many requests are served at once; the rest wait in the order they came."""
from libc.stdint cimport int64_t

from sim.connection cimport conn_schedule
from sim.draw cimport draw_whole
from sim.state cimport CONN_QUEUED, NO_FD, PHASE_OPEN, PHASE_WHOLE, Conn, Server


cdef inline int64_t gap_ns(Server* server, Conn* conn) noexcept nogil:
    return draw_whole(&server.settings.gap_ns, &conn.rng)


cdef inline void slot_grant(Server* server, Conn* conn) noexcept nogil:
    """The times of the answer begin here."""
    cdef int64_t i
    conn.request.has_slot = 1
    server.counts.n_running += 1
    conn.request.granted_ns = server.now_ns
    conn.due_ns = conn.first_ns = server.now_ns + draw_whole(&server.settings.ttft_ns, &conn.rng)
    conn.phase = PHASE_OPEN
    if not conn.request.streams:
        conn.phase = PHASE_WHOLE
        for i in range(1, conn.n_tokens):
            conn.due_ns += gap_ns(server, conn)
    conn_schedule(server, conn)


cdef inline void slot_ask(Server* server, Conn* conn) noexcept nogil:
    if server.settings.n_slots == 0 or server.counts.n_running < server.settings.n_slots:
        slot_grant(server, conn)
        return
    conn.state = CONN_QUEUED
    conn.request.queue_next = NO_FD
    conn.request.queue_before = server.queue_last
    if server.queue_last == NO_FD:
        server.queue_first = conn.fd
    else:
        server.requests[server.queue_last].queue_next = conn.fd
    server.queue_last = conn.fd
    server.counts.n_waiting += 1


cdef inline void queue_leave(Server* server, Conn* conn) noexcept nogil:
    if conn.request.queue_before == NO_FD:
        server.queue_first = conn.request.queue_next
    else:
        server.requests[conn.request.queue_before].queue_next = conn.request.queue_next
    if conn.request.queue_next == NO_FD:
        server.queue_last = conn.request.queue_before
    else:
        server.requests[conn.request.queue_next].queue_before = conn.request.queue_before
    conn.request.queue_next = conn.request.queue_before = NO_FD
    server.counts.n_waiting -= 1


cdef inline void slot_release(Server* server, Conn* conn) noexcept nogil:
    """The first in the queue begins at this very instant."""
    cdef Conn* following
    if conn.state == CONN_QUEUED:
        queue_leave(server, conn)
    if not conn.request.has_slot:
        return
    conn.request.has_slot = 0
    server.counts.n_running -= 1
    if server.queue_first != NO_FD and not server.stopping:
        following = &server.conns[server.queue_first]
        queue_leave(server, following)
        slot_grant(server, following)
