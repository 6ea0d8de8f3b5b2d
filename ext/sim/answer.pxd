"""Answers, a step at a time: each step is one write, and says when the next is due."""
from libc.stdint cimport int64_t, uint64_t, uint8_t

from sim.connection cimport SENT_ALL, SENT_NEVER, conn_keep, conn_send, conn_shut, stamp
from sim.ending cimport conn_answered, conn_lost, keep_instants, request_end
from sim.faults cimport FAULT_ERROR_EVENT, FAULT_NOT_JSON, FAULT_NO_DONE, FAULT_RESET, FAULT_SLOW_HEAD, FAULT_STALL
from sim.faults cimport FAULT_TRUNCATED
from sim.frame cimport Frame, frame_fill
from sim.lateness cimport note_token
from sim.message cimport Facts, Template, put_chunk, put_template
from sim.posix cimport EAGAIN, EINTR, MSG_NOSIGNAL, errno, send
from sim.slots cimport gap_ns
from sim.state cimport CONN_STALLED, PHASE_HEAD, PHASE_OPEN, PHASE_TOKENS, PHASE_WHOLE, Conn, Dialect, Server
from sim.text cimport Buffer, decimal_width, put_bytes, put_decimal, put_text

cdef enum:
    NO_MORE = -1                # no timer: ended, lost, stalled, or waiting for the kernel
    SLOW_HEAD_BYTES = 16
    SLOW_HEAD_GAP_NS = 1_000_000
    NO_FAULT_AT = -1


cdef inline void fill_facts(Server* server, Conn* conn, Facts* facts) noexcept nogil:
    facts.token = conn.n_written + 1
    facts.unix_ns = server.now_ns + server.unix_offset_ns
    facts.id_digits = conn.id_digits
    facts.created_digits = conn.created_digits
    facts.clock = &server.clock
    facts.prompt_tokens = conn.request.scan.n_words
    facts.output_tokens = conn.n_written
    facts.total_ns = server.now_ns - conn.request.received_ns
    facts.prompt_ns = conn.first_ns - conn.request.granted_ns
    facts.eval_ns = server.now_ns - conn.first_ns
    facts.n_inputs = conn.request.scan.n_inputs if conn.request.scan.n_inputs > 0 else 1
    facts.is_cut = conn.request.is_cut
    facts.closes = conn.closes


cdef inline void put_message(Server* server, Conn* conn, const Template* template) noexcept nogil:
    """Append a chunk to the scratch buffer."""
    cdef Facts facts
    fill_facts(server, conn, &facts)
    put_chunk(&server.scratch, template, &facts)


cdef inline void cut_short(Server* server, Conn* conn) noexcept nogil:
    """Half of the answer is out; now the fault itself. A stalled request ends when its client goes away."""
    if conn.fault == FAULT_STALL:
        conn.state = CONN_STALLED
        conn.generation += 1
        return
    request_end(server, conn, False)
    conn_shut(server, conn, conn.fault == FAULT_RESET)


cdef inline int64_t say(Server* server, Conn* conn, int64_t next_ns) noexcept nogil:
    """Send the scratch buffer. Returns next_ns, or NO_MORE where the connection is lost or must wait for the kernel."""
    cdef int sent = conn_send(server, conn, server.scratch.at, server.scratch.n)
    conn.due_ns = next_ns
    if sent == SENT_NEVER:
        conn_lost(server, conn)
    return next_ns if sent == SENT_ALL else NO_MORE


cdef inline int64_t stream_end(Server* server, Conn* conn) noexcept nogil:
    cdef Dialect* dialect = &server.dialects[conn.operation]
    server.scratch.n = 0
    if conn.fault == FAULT_ERROR_EVENT:
        put_message(server, conn, &dialect.error_event)
    else:
        put_message(server, conn, &dialect.finish)
        if conn.request.scan.include_usage:
            put_message(server, conn, &dialect.usage)
    if conn.fault != FAULT_NO_DONE:
        put_message(server, conn, &dialect.done)
    put_text(&server.scratch, b"0\r\n\r\n")
    return end_with_scratch(server, conn)


cdef inline int64_t end_with_scratch(Server* server, Conn* conn) noexcept nogil:
    if conn_send(server, conn, server.scratch.at, server.scratch.n) == SENT_NEVER:
        conn_lost(server, conn)
    else:
        request_end(server, conn, True)
        conn_answered(server, conn)
    return NO_MORE


cdef inline int64_t stream_fault(Server* server, Conn* conn) noexcept nogil:
    """In mid-stream, once."""
    conn.fault_at = NO_FAULT_AT
    server.scratch.n = 0
    if conn.fault == FAULT_ERROR_EVENT:
        return stream_end(server, conn)
    if conn.fault == FAULT_NOT_JSON:
        put_message(server, conn, &server.dialects[conn.operation].not_json)
        return say(server, conn, conn.due_ns)
    if conn.fault == FAULT_TRUNCATED:
        put_message(server, conn, &server.dialects[conn.operation].token)
        conn_send(server, conn, server.scratch.at, server.scratch.n // 2)
    cut_short(server, conn)
    return NO_MORE


cdef inline int64_t token_kept(Server* server, Conn* conn, const Buffer* token, ssize_t n_sent) noexcept nogil:
    """The kernel took the token in part, or not at all: then it is not sent, and is tried again when there is room."""
    if n_sent < 0:
        if errno != EAGAIN and errno != EINTR:
            conn_lost(server, conn)
            return NO_MORE
        conn.is_blocked = 1
        server.counts.n_blocked += 1
        return NO_MORE
    conn_keep(server, conn, token.at + n_sent, token.n - <size_t>n_sent)
    return 0


cdef inline int64_t next_token(Server* server, Conn* conn, int64_t unix_ns) noexcept nogil:
    """A token is written: note it, and say when the next is due. Without a gap that is now."""
    cdef int64_t gap
    note_token(&server.counts, server.now_ns - conn.due_ns)
    keep_instants(server, conn, unix_ns, conn.due_ns + server.unix_offset_ns)
    if conn.n_written == 0:
        conn.first_ns = server.now_ns
    conn.n_written += 1
    if conn.n_written == conn.n_tokens and conn.fault_at != conn.n_written:
        return stream_end(server, conn)
    gap = gap_ns(server, conn)
    conn.due_ns = conn.due_ns + gap if gap > 0 else server.now_ns
    return NO_MORE if conn.is_blocked else conn.due_ns


cdef inline int64_t token_step(Server* server, Conn* conn) noexcept nogil:
    """One token, one write."""
    cdef int64_t unix_ns
    cdef ssize_t n_sent
    cdef Frame* frame
    if conn.n_written == conn.fault_at:
        return stream_fault(server, conn)
    if conn.n_written >= conn.n_tokens:
        return stream_end(server, conn)
    frame = &server.dialects[conn.operation].frames[decimal_width(<uint64_t>(conn.n_written + 1))]
    unix_ns = server.now_ns + server.unix_offset_ns
    frame_fill(frame, conn.id_digits, conn.created_digits, conn.n_written + 1, &server.clock, unix_ns)
    unix_ns = stamp(server)
    n_sent = send(conn.fd, frame.chunk.at, frame.chunk.n, MSG_NOSIGNAL)
    if n_sent != <ssize_t>frame.chunk.n and token_kept(server, conn, &frame.chunk, n_sent) == NO_MORE:
        return NO_MORE
    return next_token(server, conn, unix_ns)


cdef inline int64_t open_step(Server* server, Conn* conn) noexcept nogil:
    """Head and first message, as one write. The first token is due at the same instant."""
    cdef Facts facts
    cdef Dialect* dialect = &server.dialects[conn.operation]
    server.scratch.n = 0
    fill_facts(server, conn, &facts)
    put_template(&server.scratch, &dialect.stream_head, &facts)
    put_chunk(&server.scratch, &dialect.opening, &facts)
    conn.phase = PHASE_TOKENS
    if conn.fault == FAULT_SLOW_HEAD:
        return slow_begin(server, conn, PHASE_TOKENS)
    if say(server, conn, conn.due_ns) == NO_MORE:
        return NO_MORE
    return token_step(server, conn)


cdef inline int64_t slow_begin(Server* server, Conn* conn, uint8_t after_head) noexcept nogil:
    """Put the scratch buffer by, to be sent in pieces."""
    conn.phase = PHASE_HEAD
    conn.request.after_head = after_head
    put_bytes(&conn.request.out, server.scratch.at, server.scratch.n)
    return slow_step(server, conn)


cdef inline int64_t slow_step(Server* server, Conn* conn) noexcept nogil:
    cdef size_t n = conn.request.out.n - conn.request.out_sent
    cdef ssize_t n_sent
    if n > SLOW_HEAD_BYTES:
        n = SLOW_HEAD_BYTES
    n_sent = send(conn.fd, conn.request.out.at + conn.request.out_sent, n, MSG_NOSIGNAL)
    if n_sent < 0 and errno != EAGAIN and errno != EINTR:
        conn_lost(server, conn)
        return NO_MORE
    conn.request.out_sent += <size_t>n_sent if n_sent > 0 else 0
    conn.due_ns = server.now_ns + SLOW_HEAD_GAP_NS
    if conn.request.out_sent < conn.request.out.n:
        return conn.due_ns
    conn.request.out.n = conn.request.out_sent = 0
    conn.phase = conn.request.after_head
    if conn.phase == PHASE_TOKENS:
        return conn.due_ns
    request_end(server, conn, True)
    conn_answered(server, conn)
    return NO_MORE


cdef inline int64_t deliver(Server* server, Conn* conn, size_t n_head) noexcept nogil:
    """Send the scratch buffer, a whole answer with a head of n_head bytes, as the fault will have it."""
    cdef int64_t next_ns
    if conn.fault == FAULT_SLOW_HEAD:
        next_ns = slow_begin(server, conn, PHASE_WHOLE)
        return next_ns
    if conn.fault == FAULT_STALL or conn.fault == FAULT_RESET or conn.fault == FAULT_TRUNCATED:
        conn_send(server, conn, server.scratch.at, n_head + (server.scratch.n - n_head) // 2)
        cut_short(server, conn)
        return NO_MORE
    return end_with_scratch(server, conn)


cdef inline size_t put_whole_head(Server* server, Conn* conn, const char* content_type, size_t n_body) noexcept nogil:
    """Into the scratch buffer, which is emptied first. Returns its bytes."""
    cdef Buffer* into = &server.scratch
    into.n = 0
    put_text(into, b"HTTP/1.1 200 OK\r\nContent-Type: ")
    put_text(into, content_type)
    put_text(into, b"\r\nContent-Length: ")
    put_decimal(into, <int64_t>n_body)
    put_text(into, b"\r\nConnection: close\r\n\r\n" if conn.closes else b"\r\n\r\n")
    return into.n


cdef inline int64_t whole_step(Server* server, Conn* conn) noexcept nogil:
    """An answer that is not streamed. Its log line has one instant, that of its only write."""
    cdef Facts facts
    cdef size_t n_head
    cdef int64_t unix_ns = stamp(server)
    conn.n_written = conn.n_tokens
    fill_facts(server, conn, &facts)
    server.body.n = 0
    if conn.fault == FAULT_NOT_JSON:
        put_text(&server.body, b"this is not JSON")
    elif conn.fault == FAULT_ERROR_EVENT:
        put_template(&server.body, &server.dialects[conn.operation].error_body, &facts)
    else:
        put_template(&server.body, &server.dialects[conn.operation].whole, &facts)
    n_head = put_whole_head(server, conn, b"application/json", server.body.n)
    put_bytes(&server.scratch, server.body.at, server.body.n)
    server.counts.n_tokens_whole += conn.n_tokens
    if conn.n_tokens > 0:
        keep_instants(server, conn, unix_ns, conn.due_ns + server.unix_offset_ns)
    return deliver(server, conn, n_head)


cdef inline int64_t answer_step(Server* server, Conn* conn) noexcept nogil:
    """Do what is due. Returns when the next step is, or NO_MORE."""
    if conn.phase == PHASE_TOKENS:
        return token_step(server, conn)
    if conn.phase == PHASE_OPEN:
        return open_step(server, conn)
    if conn.phase == PHASE_HEAD:
        return slow_step(server, conn)
    return whole_step(server, conn)
