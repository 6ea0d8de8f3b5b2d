"""The loop: what is due is written, then what has come is read. One thread, one epoll."""
from libc.stdint cimport int64_t, uint32_t, uint8_t

from sim.answer cimport NO_MORE, answer_step
from sim.connection cimport SENT_ALL, SENT_NEVER, conn_flush, conn_open, conn_schedule, conn_send, read_clocks
from sim.dispatch cimport dispatch, say_page
from sim.ending cimport conn_answered, conn_lost
from sim.faults cimport FAULT_NONE
from sim.head cimport HEAD_BYTES, Head
from sim.intake cimport feed_request
from sim.log cimport LOG_EVERY_NS, log_turn
from sim.posix cimport EAGAIN, ECONNABORTED, EINTR, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SOCK_CLOEXEC
from sim.posix cimport SOCK_NONBLOCK, accept4, epoll_event, errno, recv, wait_for_events
from sim.state cimport CONN_CLOSED, CONN_FLUSHING, CONN_HEAD, CONN_READY, CONN_TIMED, CONN_TRAILER, PAGE_BAD_REQUEST
from sim.state cimport PAGE_HEAD_TOO_LONG, READ_BYTES, Conn, Request, Server
from sim.text cimport put_bytes
from sim.timers cimport Timer, timers_drop_first, timers_replace_first

cdef enum:
    STEPS_A_TURN = 64       # then what has come is looked at again
    EVENTS_A_TURN = 256


cdef inline bint is_reading(const Conn* conn) noexcept nogil:
    return CONN_HEAD <= conn.state <= CONN_TRAILER


cdef inline void keep_early(Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Bytes of the next request: put by until this one is answered."""
    if n == 0:
        return
    if conn.request.early_used == conn.request.early.n:
        conn.request.early.n = conn.request.early_used = 0
    put_bytes(&conn.request.early, data, n)


cdef inline size_t eat(Server* server, Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Feed the request and answer it if it is whole. Returns how many bytes were eaten."""
    cdef size_t n_used = feed_request(conn, data, n)
    cdef Head* head = &conn.request.head
    if head.broken or head.n_bytes >= HEAD_BYTES:
        conn.closes = 1
        conn.fault = FAULT_NONE
        say_page(server, conn, &server.pages[<int>(PAGE_BAD_REQUEST if head.broken else PAGE_HEAD_TOO_LONG)], False)
        return n
    if head.wants_continue and conn.state != CONN_HEAD:
        head.wants_continue = 0
        conn_send(server, conn, b"HTTP/1.1 100 Continue\r\n\r\n", 25)
    return n_used


cdef inline void eat_early(Server* server, Conn* conn) noexcept nogil:
    cdef Request* request = conn.request
    request.early_used += eat(
        server, conn, request.early.at + request.early_used, request.early.n - request.early_used)


cdef inline bint read_more(Server* server, Conn* conn) noexcept nogil:
    """One read. False if there is no more to read for now, or no connection any more."""
    cdef ssize_t n = recv(conn.fd, server.incoming, READ_BYTES, 0)
    cdef size_t n_used
    if n == 0 or (n < 0 and errno != EAGAIN and errno != EINTR):
        conn_lost(server, conn)
        return False
    if n < 0:
        conn.readable = errno == EINTR
        return conn.readable
    if n < READ_BYTES and not conn.peer_gone:
        conn.readable = 0
    n_used = eat(server, conn, server.incoming, <size_t>n)
    if conn.state != CONN_CLOSED:
        keep_early(conn, server.incoming + n_used, <size_t>n - n_used)
    return True


cdef inline void pump(Server* server, Conn* conn) noexcept nogil:
    """Read and answer while there is something to read and nothing to wait for."""
    while is_reading(conn) or conn.state == CONN_READY:
        if conn.state == CONN_READY:
            read_clocks(server)
            dispatch(server, conn)
        elif conn.request.early_used < conn.request.early.n:
            eat_early(server, conn)
        elif not conn.readable or not read_more(server, conn):
            return


cdef inline void accept_all(Server* server) noexcept nogil:
    cdef int fd
    while True:
        fd = accept4(server.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if fd >= 0:
            conn_open(server, fd)
        elif errno != EINTR and errno != ECONNABORTED:
            server.accepts_later = errno != EAGAIN
            return


cdef inline void room_again(Server* server, Conn* conn) noexcept nogil:
    cdef int sent = conn_flush(conn)
    if sent == SENT_NEVER:
        conn_lost(server, conn)
    elif sent == SENT_ALL and conn.state == CONN_TIMED:
        conn_schedule(server, conn)
    elif sent == SENT_ALL and conn.state == CONN_FLUSHING:
        conn_answered(server, conn)


cdef inline void conn_event(Server* server, Conn* conn, uint32_t events) noexcept nogil:
    if conn.state == CONN_CLOSED:
        return
    if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
        conn.peer_gone = 1
    if events & (EPOLLIN | EPOLLRDHUP):
        conn.readable = 1
    if events & EPOLLOUT and conn.is_blocked:
        room_again(server, conn)
    if conn.state != CONN_CLOSED and conn.peer_gone and not is_reading(conn):
        conn_lost(server, conn)
    elif conn.state != CONN_CLOSED:
        pump(server, conn)


cdef inline int write_due(Server* server) noexcept nogil:
    """Up to STEPS_A_TURN steps that are due. Returns how many."""
    cdef int n_steps = 0
    cdef int64_t next_ns
    cdef Timer first
    cdef Conn* conn
    while n_steps < STEPS_A_TURN and server.timers.n > 0:
        first = server.timers.heap[0]
        conn = &server.conns[first.fd]
        if conn.generation != first.generation:
            timers_drop_first(&server.timers)
            continue
        if first.due_ns > server.now_ns:
            break
        next_ns = answer_step(server, conn)
        n_steps += 1
        if next_ns == NO_MORE:
            timers_drop_first(&server.timers)
            pump(server, conn)
        else:
            first.due_ns = next_ns
            timers_replace_first(&server.timers, first)
    return n_steps


cdef inline int64_t time_to_wait_ns(Server* server) noexcept nogil:
    cdef int64_t wait_ns = -1
    if server.timers.n > 0:
        wait_ns = server.timers.heap[0].due_ns - read_clocks(server)
        if wait_ns < 0:
            return 0
    if server.log.filling.n > 0 and (wait_ns < 0 or wait_ns > LOG_EVERY_NS):
        return LOG_EVERY_NS
    return wait_ns


cdef inline void one_event(Server* server, const epoll_event* event) noexcept nogil:
    cdef int fd = event.data.fd
    if fd == server.listen_fd:
        accept_all(server)
    elif fd == server.stop_fds[0] or fd == server.stop_fds[1]:
        server.stopping = 1
    else:
        conn_event(server, &server.conns[fd], event.events)


cdef inline void stop_all(Server* server) noexcept nogil:
    """End what is under way; each has its line in the log."""
    cdef int fd
    for fd in range(server.n_conns):
        if server.conns[fd].state != CONN_CLOSED:
            conn_lost(server, &server.conns[fd])


cdef inline int serve_until_stopped(Server* server) noexcept nogil:
    """Returns 0, or errno where waiting itself failed."""
    cdef epoll_event[256] events
    cdef int i, n_events
    read_clocks(server)
    while not server.stopping:
        write_due(server)
        n_events = wait_for_events(server.epoll_fd, events, EVENTS_A_TURN, time_to_wait_ns(server))
        if n_events < 0 and errno != EINTR:
            return errno
        read_clocks(server)
        for i in range(n_events):
            one_event(server, &events[i])
        if server.accepts_later:
            accept_all(server)
        if server.logs:
            log_turn(&server.log, server.now_ns)
    stop_all(server)
    return 0
