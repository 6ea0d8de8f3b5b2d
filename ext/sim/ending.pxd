"""The end of a request, however it came: its log line, its counts, its slot; and what becomes of the connection."""
from sim.connection cimport conn_shut
from sim.faults cimport FAULT_CLOSE, FAULT_NONE, FAULT_SLOW_HEAD, fault_name
from sim.head cimport head_begin
from sim.log cimport PAGE_TOKENS, log_give_back, log_line, log_take_page
from sim.slots cimport slot_release
from sim.state cimport CONN_FLUSHING, CONN_HEAD, Conn, Request, Server


cdef inline void keep_instants(Server* server, Conn* conn, long written_unix_ns, long due_unix_ns) noexcept nogil:
    """For the log: one token's."""
    if not server.logs:
        return
    if conn.request.first_page == NULL:
        conn.request.first_page = conn.last_page = log_take_page(&server.log)
    elif conn.last_page.n == PAGE_TOKENS:
        conn.last_page.next = log_take_page(&server.log)
        conn.last_page = conn.last_page.next
    conn.last_page.written_unix_ns[conn.last_page.n] = written_unix_ns
    conn.last_page.due_unix_ns[conn.last_page.n] = due_unix_ns
    conn.last_page.n += 1


cdef inline const char* outcome_of(Server* server, const Conn* conn, bint is_whole) noexcept nogil:
    """ok, client_closed, stopped, or the fault's name."""
    if conn.fault != FAULT_NONE and conn.fault != FAULT_CLOSE and conn.fault != FAULT_SLOW_HEAD:
        server.counts.n_faulted += 1
        return fault_name(conn.fault)
    if is_whole:
        server.counts.n_ok += 1
        return b"ok"
    server.counts.n_client_gone += 1
    return b"stopped" if server.stopping else b"client_closed"


cdef inline void request_end(Server* server, Conn* conn, bint is_whole) noexcept nogil:
    """is_whole: all of the answer was handed to the kernel, or waits for it to take it."""
    cdef const char* outcome
    cdef Request* request = conn.request
    conn.generation += 1
    if request.is_counted:
        request.is_counted = 0
        outcome = outcome_of(server, conn, is_whole)
        if server.logs:
            log_line(
                &server.log, request.head.request_id, <size_t>request.head.n_request_id, request.received_unix_ns,
                request.first_page, outcome,
            )
            log_give_back(&server.log, request.first_page, conn.last_page)
            request.first_page = conn.last_page = NULL
    slot_release(server, conn)


cdef inline void conn_answered(Server* server, Conn* conn) noexcept nogil:
    """The request has ended well: wait until the kernel has taken all of it, then close or read the next."""
    if conn.is_blocked:
        conn.state = CONN_FLUSHING
    elif conn.closes or conn.peer_gone:
        conn_shut(server, conn, False)
    else:
        conn.state = CONN_HEAD
        head_begin(&conn.request.head)


cdef inline void conn_lost(Server* server, Conn* conn) noexcept nogil:
    """The peer is gone, or we leave: whatever was going on ends here."""
    request_end(server, conn, False)
    conn_shut(server, conn, False)
