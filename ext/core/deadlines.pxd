"""When to give a request up. Every request has the same time, so the list is in order by itself."""
from libc.stdint cimport int32_t, int64_t
from core.state cimport NOBODY, Connection, Loop

cdef inline void deadline_forget(Loop* loop, Connection* connection) noexcept nogil:
    if not connection.is_listed:
        return
    if connection.earlier == NOBODY:
        loop.deadlines.first = connection.later
    else:
        loop.connections[connection.earlier].later = connection.later
    if connection.later == NOBODY:
        loop.deadlines.last = connection.earlier
    else:
        loop.connections[connection.later].earlier = connection.earlier
    connection.is_listed = False

cdef inline void deadline_set(Loop* loop, Connection* connection, int64_t from_ns) noexcept nogil:
    """The request must be done within the time-out from `from_ns` on, which is now or a moment ago."""
    cdef int32_t itself = <int32_t>(connection - loop.connections)
    deadline_forget(loop, connection)
    connection.deadline_ns = from_ns + loop.settings.timeout_ns
    connection.later = NOBODY
    connection.earlier = loop.deadlines.last
    if loop.deadlines.last == NOBODY:
        loop.deadlines.first = itself
    else:
        loop.connections[loop.deadlines.last].later = itself
    loop.deadlines.last = itself
    connection.is_listed = True
