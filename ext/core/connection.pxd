"""A connection's socket: opened here or by another thread, watched, closed. What is sent and what comes back is not its concern."""
from libc.errno cimport EINPROGRESS, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport close
from core.state cimport ASKED, CLOSED, CONNECTING, IDLE, UNKNOWN, Connection, Loop
from linux.atomics cimport atomic_load, atomic_store
from linux.epoll cimport EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLIN, EPOLLOUT, epoll_ctl, epoll_event
from linux.socket cimport (
    IPPROTO_TCP, SO_ERROR, SO_LINGER, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY,
    connect, getsockopt, linger, setsockopt, sockaddr, socket, socklen_t,
)
from linux.timestamping cimport SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE

cdef inline epoll_event _interest(Loop* loop, Connection* connection, unsigned int events) noexcept nogil:
    cdef epoll_event event
    memset(&event, 0, sizeof(event))
    event.events = events
    event.data.u64 = (<uint64_t>connection.generation << 32) | <uint64_t>(connection - loop.connections)
    return event

cdef inline void connection_watch(Loop* loop, Connection* connection, unsigned int events) noexcept nogil:
    cdef epoll_event event = _interest(loop, connection, events)
    epoll_ctl(loop.epoll_fd, EPOLL_CTL_MOD, connection.fd, &event)

cdef inline void connection_close(Connection* connection, bint at_once) noexcept nogil:
    """Close the socket; `at_once` resets it, so that the server need not go on writing."""
    cdef linger abrupt
    if connection.state == CLOSED:
        return
    if connection.fd >= 0:
        if at_once:
            abrupt.l_onoff = 1
            abrupt.l_linger = 0
            setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt))
        close(connection.fd)
    connection.fd = -1
    connection.state = CLOSED
    connection.generation += 1

cdef inline int _take_socket(Loop* loop, Connection* connection, unsigned int events) noexcept nogil:
    """Set the socket up and watch it. Return 0, or errno: then it is closed."""
    cdef int one = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, reason
    cdef epoll_event event
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
    setsockopt(connection.fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps))
    connection.n_answers = 0
    event = _interest(loop, connection, events)
    if epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, connection.fd, &event) == 0:
        return 0
    reason = errno
    connection_close(connection, False)
    return reason

cdef inline int connection_open(Loop* loop, Connection* connection) noexcept nogil:
    """Begin to connect, or ask for a socket. Return 0, or errno: then the connection is closed again."""
    cdef int reason
    if loop.settings.is_given_sockets:
        connection.state = ASKED
        atomic_store(&connection.asked, 1)
        return 0
    connection.fd = socket(loop.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if connection.fd < 0:
        return errno
    connection.state = CONNECTING
    if connect(connection.fd, <sockaddr*>&loop.address, loop.n_address_bytes) < 0 and errno != EINPROGRESS:
        reason = errno
        connection_close(connection, False)
        return reason
    return _take_socket(loop, connection, EPOLLIN | EPOLLOUT)

cdef inline int connection_opened(Loop* loop, Connection* connection) noexcept nogil:
    """The socket became writable or failed: return 0 and be IDLE, or errno and be closed."""
    cdef int reason = 0
    cdef socklen_t n_bytes = sizeof(reason)
    getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &reason, &n_bytes)
    if reason != 0:
        connection_close(connection, False)
        return reason
    connection.state = IDLE
    connection.backoff_ns = 0
    connection_watch(loop, connection, EPOLLIN)
    return 0

cdef inline void connection_drop_given(Connection* connection) noexcept nogil:
    """Close a socket that was given and never taken."""
    cdef int64_t given = atomic_load(&connection.given)
    if given > 0:
        close(<int>(given - 1))
    atomic_store(&connection.given, 0)

cdef inline bint connection_was_given(const Connection* connection) noexcept nogil:
    """Whether the other thread has answered."""
    return atomic_load(&connection.given) != 0

cdef inline int connection_take_given(Loop* loop, Connection* connection) noexcept nogil:
    """Take the socket that the other thread has opened. Return 0 and be IDLE, UNKNOWN where there is none (`refusal` says why), or errno."""
    cdef int64_t given = atomic_load(&connection.given)
    cdef int reason
    atomic_store(&connection.asked, 0)
    atomic_store(&connection.given, 0)
    if connection.state != ASKED and connection.state != CLOSED:
        close(<int>(given - 1))  # it was asked for twice
        return 0
    connection_close(connection, False)
    if given == UNKNOWN:
        return UNKNOWN
    connection.fd = <int>(given - 1)
    connection.state = IDLE
    reason = _take_socket(loop, connection, EPOLLIN)
    if reason == 0:
        connection.backoff_ns = 0
    return reason
