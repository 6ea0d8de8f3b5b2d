"""A connection's bytes: what is sent, what the kernel does not take at once, and its end. Knows nothing of answers."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

from sim.head cimport head_begin
from sim.posix cimport EAGAIN, EINTR, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLL_CTL_ADD, MSG_NOSIGNAL, SOL_SOCKET
from sim.posix cimport SO_LINGER, close, epoll_ctl, epoll_event, errno, linger, monotonic_ns, realtime_ns, send
from sim.posix cimport setsockopt
from sim.state cimport CONN_CLOSED, CONN_HEAD, CONN_TIMED, NO_FD, Conn, Request, Server
from sim.text cimport Buffer, put_bytes
from sim.timers cimport Timer, timers_push

cdef enum:
    CLOCK_GRAIN_NS = 1000   # a smaller change of the clocks' offset is noise, and would make instants uneven

cdef enum Sent:
    SENT_ALL = 0
    SENT_LATER = 1          # in part or not at all: the rest waits for EPOLLOUT
    SENT_NEVER = 2          # the connection is lost


cdef inline int64_t read_clocks(Server* server) noexcept nogil:
    """Both clocks, once a turn. Returns CLOCK_MONOTONIC.

    Where we were held up between the readings they say nothing about each other, and the offset known before is kept.
    """
    cdef int64_t before_ns = monotonic_ns(), unix_ns = realtime_ns(), after_ns = monotonic_ns()
    cdef int64_t offset_ns = unix_ns - before_ns - (after_ns - before_ns) // 2
    cdef bint differs = not -CLOCK_GRAIN_NS < offset_ns - server.unix_offset_ns < CLOCK_GRAIN_NS
    if server.unix_offset_ns == 0 or (differs and after_ns - before_ns < CLOCK_GRAIN_NS):
        server.unix_offset_ns = offset_ns
    if after_ns > server.now_ns:
        server.now_ns = after_ns
    return server.now_ns


cdef inline int64_t stamp(Server* server) noexcept nogil:
    """CLOCK_REALTIME, for a write that follows at once; now_ns is brought up to it."""
    cdef int64_t unix_ns = realtime_ns()
    if unix_ns - server.unix_offset_ns > server.now_ns:
        server.now_ns = unix_ns - server.unix_offset_ns
    return unix_ns


cdef inline void buffer_free(Buffer* buffer) noexcept nogil:
    free(buffer.at)
    memset(buffer, 0, sizeof(Buffer))


cdef inline bint conn_open(Server* server, int fd) noexcept nogil:
    cdef epoll_event event
    cdef Conn* conn
    if fd >= server.n_conns:
        close(fd)
        return False
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
    event.data.u64 = <unsigned long>fd
    if epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0:
        close(fd)
        return False
    conn = &server.conns[fd]
    conn.fd = fd
    conn.request = &server.requests[fd]
    conn.state = CONN_HEAD
    conn.request.queue_next = conn.request.queue_before = NO_FD
    conn.closes = conn.is_blocked = conn.readable = conn.peer_gone = conn.request.has_slot = conn.request.is_counted = 0
    conn.request.n_line = 0
    conn.request.out_sent = conn.request.early_used = 0
    head_begin(&conn.request.head)
    server.counts.n_connections += 1
    return True


cdef inline void conn_shut(Server* server, Conn* conn, bint with_reset) noexcept nogil:
    """Close the socket and let go of what it held. The request on it has been ended before."""
    cdef linger at_once
    if with_reset:
        at_once.l_onoff = 1
        at_once.l_linger = 0
        setsockopt(conn.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(linger))
    close(conn.fd)
    buffer_free(&conn.request.out)
    buffer_free(&conn.request.early)
    conn.generation += 1
    conn.state = CONN_CLOSED
    server.counts.n_connections -= 1


cdef inline void conn_schedule(Server* server, Conn* conn) noexcept nogil:
    cdef Timer timer
    timer.due_ns = conn.due_ns
    timer.fd = <unsigned int>conn.fd
    timer.generation = conn.generation
    conn.state = CONN_TIMED
    timers_push(&server.timers, timer)


cdef inline int conn_flush(Conn* conn) noexcept nogil:
    """Offer the kernel what waits. Returns a Sent."""
    cdef Request* request = conn.request
    cdef ssize_t n
    while request.out_sent < request.out.n:
        n = send(conn.fd, request.out.at + request.out_sent, request.out.n - request.out_sent, MSG_NOSIGNAL)
        if n >= 0:
            request.out_sent += <size_t>n
        elif errno == EAGAIN:
            conn.is_blocked = 1
            return SENT_LATER
        elif errno != EINTR:
            return SENT_NEVER
    request.out.n = request.out_sent = 0
    conn.is_blocked = 0
    return SENT_ALL


cdef inline int conn_keep(Server* server, Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Put by what the kernel did not take."""
    server.counts.n_blocked += 1
    put_bytes(&conn.request.out, data, n)
    return conn_flush(conn)


cdef inline int conn_send(Server* server, Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Send it all, now or when the kernel takes it. Returns a Sent."""
    cdef ssize_t n_sent = 0
    if conn.request.out_sent < conn.request.out.n:
        put_bytes(&conn.request.out, data, n)
        return SENT_LATER
    n_sent = send(conn.fd, data, n, MSG_NOSIGNAL)
    if n_sent == <ssize_t>n:
        return SENT_ALL
    if n_sent < 0:
        if errno != EAGAIN and errno != EINTR:
            return SENT_NEVER
        n_sent = 0
    return conn_keep(server, conn, data + n_sent, n - <size_t>n_sent)
