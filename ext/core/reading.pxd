"""What comes back: read, dated by the kernel, handed to the reader of its wire."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset, strerror
from core.clock cimport NS_PER_S, clock_arrival_ns, run_now_ns
from core.connection cimport connection_close
from core.exchange cimport exchange_fail, exchange_resend
from core.http_reading cimport http_ends, http_fail, http_take
from core.postgresql_reading cimport postgresql_take
from core.record cimport *
from core.redis_reading cimport redis_take
from core.state cimport *
from linux.clock cimport timespec
from linux.socket cimport (
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_NXTHDR, SOL_SOCKET, cmsghdr, iovec, msghdr, recvmsg,
)
from linux.timestamping cimport SCM_TIMESTAMPING, scm_timestamping

cdef inline int64_t _stamp_ns(msghdr* message) noexcept nogil:
    """The kernel's receive stamp on CLOCK_REALTIME, or UNKNOWN."""
    cdef cmsghdr* header = CMSG_FIRSTHDR(message)
    cdef timespec* stamp
    while header != NULL:
        if header.cmsg_level == SOL_SOCKET and header.cmsg_type == SCM_TIMESTAMPING:
            stamp = (<scm_timestamping*>CMSG_DATA(header)).ts
            return stamp.tv_sec * <int64_t>NS_PER_S + stamp.tv_nsec if stamp.tv_sec != 0 else UNKNOWN
        header = CMSG_NXTHDR(message, header)
    return UNKNOWN

cdef inline int64_t _date(Loop* loop, Connection* connection, msghdr* message) noexcept nogil:
    """The arrival of what was just read; notes the client's own delay."""
    cdef Record* record = &connection.record
    cdef int64_t read_at_ns = run_now_ns(&loop.clock), stamp_ns = _stamp_ns(message), at_ns = read_at_ns
    if stamp_ns != UNKNOWN:
        at_ns = clock_arrival_ns(&loop.clock, stamp_ns, read_at_ns)
    connection.stamp = STAMP_KERNEL if stamp_ns != UNKNOWN else STAMP_READ
    connection.last_arrival_ns = max(connection.last_arrival_ns, record.sent_at_ns)
    if record.first_byte_at_ns == NEVER or stamp_ns == UNKNOWN:
        record.stamp = connection.stamp
    if at_ns < connection.last_arrival_ns:
        at_ns = connection.last_arrival_ns
    connection.last_arrival_ns = at_ns
    record.read_lag_ns = max(record.read_lag_ns, read_at_ns - at_ns)
    return at_ns

cdef inline void _take(Loop* loop, Connection* connection, size_t n_bytes, int64_t at_ns) noexcept nogil:
    if loop.settings.wire == WIRE_REDIS:
        redis_take(loop, connection, n_bytes, at_ns)  # a read may hold the answers of several requests
        return
    if not connection.is_cleaning:
        connection.record.response_bytes += n_bytes
    if connection.record.first_byte_at_ns == NEVER:
        connection.record.first_byte_at_ns = at_ns
    if loop.settings.wire == WIRE_POSTGRESQL:
        postgresql_take(loop, connection, n_bytes, at_ns)
    else:
        http_take(loop, connection, n_bytes, at_ns)

cdef inline void reading_fail(Loop* loop, Connection* connection, uint8_t outcome, const char* why) noexcept nogil:
    """The answer has not come whole."""
    if loop.settings.wire <= WIRE_HTTP:
        http_fail(loop, connection, outcome, why)
    else:
        exchange_fail(loop, connection, outcome, why)

cdef inline void _closed_by_server(Loop* loop, Connection* connection) noexcept nogil:
    if not connection.carries:
        connection_close(connection, False)
    elif loop.settings.wire <= WIRE_HTTP and http_ends(loop, connection):
        return
    elif exchange_resend(loop, connection):
        return
    elif connection.record.first_byte_at_ns == NEVER:
        reading_fail(loop, connection, OUTCOME_RESET, "closed before an answer came")
    else:
        reading_fail(loop, connection, OUTCOME_RESET, "closed in the middle of the answer")

cdef inline void _broken(Loop* loop, Connection* connection, int reason) noexcept nogil:
    if not connection.carries:
        connection_close(connection, False)
    elif not exchange_resend(loop, connection):
        reading_fail(loop, connection, OUTCOME_RESET, strerror(reason))

cdef inline void connection_read(Loop* loop, Connection* connection) noexcept nogil:
    """Take what the socket holds, one read; level-triggered waiting brings the rest."""
    cdef iovec into
    cdef msghdr message
    cdef uint8_t[128] control
    cdef ssize_t n_bytes
    cdef int64_t at_ns
    memset(&message, 0, sizeof(message))
    into.iov_base = loop.buffer
    into.iov_len = READ_BYTES
    message.msg_iov = &into
    message.msg_iovlen = 1
    message.msg_control = control
    message.msg_controllen = sizeof(control)
    n_bytes = recvmsg(connection.fd, &message, 0)
    loop.gathering.n_reads += 1
    loop.n_in_read = 0
    if n_bytes == 0:
        _closed_by_server(loop, connection)
    elif n_bytes < 0:
        if errno != EAGAIN and errno != EINTR:
            _broken(loop, connection, errno)
    elif not connection.carries:
        connection_close(connection, True)  # bytes that answer nothing: what follows them could not be trusted
    else:
        at_ns = _date(loop, connection, &message)
        _take(loop, connection, n_bytes, at_ns)
