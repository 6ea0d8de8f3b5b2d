"""A connection's socket: opened, written to, closed. What is sent and what comes back is core/exchange.pxd's."""
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from posix.unistd cimport close
from core.record cimport Record
from core.state cimport CLOSED, CONNECTING, IDLE, SENDING, SLOT_BYTES, SMALL_BYTES, Connection, Loop
from linux.epoll cimport EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLIN, EPOLLOUT, epoll_ctl, epoll_event
from linux.socket cimport (
    IPPROTO_TCP, MSG_NOSIGNAL, SO_ERROR, SO_LINGER, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY,
    connect, getsockopt, iovec, linger, msghdr, send, sendmsg, setsockopt, sockaddr, socket, socklen_t,
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
    if at_once:
        abrupt.l_onoff = 1
        abrupt.l_linger = 0
        setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt))
    close(connection.fd)
    connection.fd = -1
    connection.state = CLOSED
    connection.generation += 1

cdef inline int connection_open(Loop* loop, Connection* connection) noexcept nogil:
    """Begin to connect. Return 0, or errno: then the connection is closed again."""
    cdef int one = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, reason
    cdef epoll_event event
    connection.fd = socket(loop.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if connection.fd < 0:
        return errno
    connection.state = CONNECTING
    connection.n_answers = 0
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
    setsockopt(connection.fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps))
    if connect(connection.fd, <sockaddr*>&loop.address, loop.n_address_bytes) < 0 and errno != EINPROGRESS:
        reason = errno
        connection_close(connection, False)
        return reason
    event = _interest(loop, connection, EPOLLIN | EPOLLOUT)
    if epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, connection.fd, &event) < 0:
        reason = errno
        connection_close(connection, False)
        return reason
    return 0

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

cdef inline int _cut(
    iovec* pieces, const uint8_t* raw, int64_t n_bytes, int64_t first_slot, int64_t second_slot, char* slot
) noexcept nogil:
    """Lay the request out as pieces, with the slot's text in its places (-1: no such place; otherwise first < second)."""
    cdef int64_t at = 0
    cdef int64_t[2] places
    cdef int n = 0, i
    places[0] = first_slot
    places[1] = second_slot
    for i in range(2):
        if places[i] < 0:
            continue
        pieces[n].iov_base = <void*>(raw + at)
        pieces[n].iov_len = places[i] - at
        pieces[n + 1].iov_base = slot
        pieces[n + 1].iov_len = SLOT_BYTES
        at = places[i] + SLOT_BYTES
        n += 2
    pieces[n].iov_base = <void*>(raw + at)
    pieces[n].iov_len = n_bytes - at
    return n + 1

cdef inline iovec* _skip(iovec* pieces, int* n, int64_t n_bytes) noexcept nogil:
    """Leave out what was sent already."""
    while n[0] > 1 and n_bytes >= <int64_t>pieces.iov_len:
        n_bytes -= pieces.iov_len
        pieces += 1
        n[0] -= 1
    pieces.iov_base = <uint8_t*>pieces.iov_base + n_bytes
    pieces.iov_len -= n_bytes
    return pieces

cdef inline ssize_t _send_small(Loop* loop, Connection* connection, const uint8_t* raw) noexcept nogil:
    """A small request is put together first: cheaper than telling the kernel of its pieces."""
    cdef Record* record = &connection.record
    cdef int64_t id_at = loop.pool.id_at[record.payload], nonce_at = loop.pool.nonce_at[record.payload]
    memcpy(loop.outgoing, raw, record.request_bytes)
    if id_at >= 0:
        memcpy(loop.outgoing + id_at, connection.slot, SLOT_BYTES)
    if nonce_at >= 0:
        memcpy(loop.outgoing + nonce_at, connection.slot, SLOT_BYTES)
    return send(
        connection.fd, loop.outgoing + connection.n_sent_bytes, record.request_bytes - connection.n_sent_bytes, MSG_NOSIGNAL
    )

cdef inline ssize_t _send_pieces(Loop* loop, Connection* connection, const uint8_t* raw) noexcept nogil:
    """A large request is sent from where it lies."""
    cdef Record* record = &connection.record
    cdef iovec[5] pieces
    cdef msghdr message
    cdef int n
    cdef int64_t id_at = loop.pool.id_at[record.payload], nonce_at = loop.pool.nonce_at[record.payload]
    memset(&message, 0, sizeof(message))
    n = _cut(pieces, raw, record.request_bytes, min(id_at, nonce_at), max(id_at, nonce_at), connection.slot)
    message.msg_iov = _skip(pieces, &n, connection.n_sent_bytes)
    message.msg_iovlen = n
    return sendmsg(connection.fd, &message, MSG_NOSIGNAL)

cdef inline int connection_send(Loop* loop, Connection* connection) noexcept nogil:
    """Hand the kernel what is left of the request. Return 0 if it took all, EAGAIN if not yet, or errno."""
    cdef Record* record = &connection.record
    cdef const uint8_t* raw = loop.pool.raw + loop.pool.from_byte[record.payload]
    cdef ssize_t n_taken
    if record.request_bytes <= SMALL_BYTES:
        n_taken = _send_small(loop, connection, raw)
    else:
        n_taken = _send_pieces(loop, connection, raw)
    if n_taken < 0:
        return EAGAIN if errno == EINTR else errno
    connection.n_sent_bytes += n_taken
    return 0 if connection.n_sent_bytes == record.request_bytes else EAGAIN
