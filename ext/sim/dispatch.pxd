"""A whole request: which route, which answer, and its draws."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp

from sim.answer cimport NO_FAULT_AT, NO_MORE, deliver, put_whole_head
from sim.body_scan cimport SCAN_NOT_SAID, BodyScan, body_scan_is_object
from sim.connection cimport conn_schedule
from sim.draw cimport draw_whole, rng_seed, rng_uniform
from sim.faults cimport FAULT_404, FAULT_BAD_BODY, FAULT_CLOSE, FAULT_ERROR_EVENT, FAULT_NONE, FAULT_NOT_JSON
from sim.faults cimport FAULT_RESET, FAULT_ROLE_ONLY, FAULT_STALL, FAULT_TRUNCATED, N_FAULTS, N_REFUSALS
from sim.faults cimport fault_of_name
from sim.head cimport METHOD_HEAD
from sim.message cimport CREATED_DIGITS, ID_DIGITS
from sim.metrics cimport put_metrics
from sim.posix cimport NS_PER_S
from sim.slots cimport slot_ask
from sim.state cimport FAMILY_OLLAMA, OP_EMBEDDINGS, OP_FIXED, OP_METRICS, OP_OLLAMA_EMBED, PAGE_BAD_METHOD
from sim.state cimport PAGE_NOT_FOUND, PAGE_NO_SUCH_FAULT, Conn, Page, Route, Server
from sim.text cimport put_bytes, put_text, write_decimal

cdef enum:
    MOST_TOKENS = 1_000_000 # of one answer, whatever is asked


cdef inline void say_page(Server* server, Conn* conn, const Page* page, bint without_body) noexcept nogil:
    """Answer with bytes that were made beforehand."""
    server.scratch.n = 0
    put_bytes(&server.scratch, page.answer, page.n_head)
    put_text(&server.scratch, b"Connection: close\r\n\r\n" if conn.closes else b"\r\n")
    deliver_page(server, conn, page, server.scratch.n, without_body)


cdef inline void deliver_page(
    Server* server, Conn* conn, const Page* page, size_t n_head, bint without_body,
) noexcept nogil:
    if not without_body:
        put_bytes(&server.scratch, page.answer + page.n_head, page.n_answer - page.n_head)
    if deliver(server, conn, n_head) != NO_MORE:
        conn_schedule(server, conn)


cdef inline const Route* route_of(const Server* server, const Conn* conn) noexcept nogil:
    cdef int i
    for i in range(server.n_routes):
        if server.routes[i].n_path == conn.request.head.n_path:
            if memcmp(server.routes[i].path, conn.request.head.path, conn.request.head.n_path) == 0:
                return &server.routes[i]
    return NULL


cdef inline int drawn_fault(Server* server, Conn* conn) noexcept nogil:
    """Two draws, whatever comes of them."""
    cdef double is_faulted = rng_uniform(&conn.rng), which = rng_uniform(&conn.rng)
    cdef int fault
    if is_faulted >= server.settings.error_ratio:
        return FAULT_NONE
    for fault in range(1, N_FAULTS):
        which -= server.settings.fault_weights[fault]
        if which < 0 and server.settings.fault_weights[fault] > 0:
            return fault
    return FAULT_NONE


cdef inline int64_t tokens_of(Server* server, Conn* conn) noexcept nogil:
    """What the settings draw, capped by what the request asks; else what it asks; else the default."""
    cdef int64_t asked = conn.request.scan.max_tokens, drawn
    if asked > MOST_TOKENS:
        asked = MOST_TOKENS
    if not server.settings.draws_n_tokens:
        conn.request.is_cut = asked != SCAN_NOT_SAID
        return asked if asked > 0 else server.settings.default_n_tokens
    drawn = draw_whole(&server.settings.n_tokens, &conn.rng)
    conn.request.is_cut = 0 < asked <= drawn
    return asked if 0 < asked < drawn else drawn


cdef inline bint is_known_model(const Server* server, const BodyScan* scan) noexcept nogil:
    cdef const uint8_t* name = server.settings.models
    cdef int n
    if name == NULL:
        return True
    while name[0] != 0:
        n = 0
        while name[n] != c'\n':
            n += 1
        if n == scan.model_bytes and memcmp(name, scan.model, n) == 0:
            return True
        name += n + 1
    return False


cdef inline void shape_answer(Server* server, Conn* conn) noexcept nogil:
    """Everything about the answer but its times."""
    cdef uint8_t operation = conn.operation
    cdef bint is_ollama = conn.family == FAMILY_OLLAMA
    conn.request.streams = conn.request.scan.stream == 1 or (is_ollama and conn.request.scan.stream == SCAN_NOT_SAID)
    conn.n_tokens = tokens_of(server, conn)
    if operation == OP_EMBEDDINGS or operation == OP_OLLAMA_EMBED:
        conn.request.streams = 0
        conn.n_tokens = 0
    if conn.fault == FAULT_ROLE_ONLY:
        conn.n_tokens = 0
        conn.request.is_cut = 0
    if conn.fault == FAULT_CLOSE:
        conn.closes = 1
    conn.n_written = 0
    conn.fault_at = NO_FAULT_AT
    if conn.fault in (FAULT_STALL, FAULT_RESET, FAULT_TRUNCATED, FAULT_ERROR_EVENT, FAULT_NOT_JSON):
        conn.fault_at = conn.n_tokens // 2 if conn.n_tokens > 1 else conn.n_tokens
    server.counts.n_prompt_tokens += conn.request.scan.n_words


cdef inline void begin_generation(Server* server, Conn* conn, uint8_t operation) noexcept nogil:
    cdef int64_t ordinal = server.counts.n_generations
    cdef int fault
    server.counts.n_generations += 1
    conn.request.is_counted = 1
    conn.operation = operation
    rng_seed(&conn.rng, server.settings.seed, <unsigned long>ordinal)
    write_decimal(conn.id_digits, <unsigned long>ordinal, ID_DIGITS)
    write_decimal(conn.created_digits, <unsigned long>(conn.request.received_unix_ns // NS_PER_S), CREATED_DIGITS)
    fault = drawn_fault(server, conn)
    if conn.fault == FAULT_NONE:
        conn.fault = fault
    if not body_scan_is_object(&conn.request.scan):
        conn.fault = FAULT_BAD_BODY
    elif conn.fault == FAULT_NONE and not is_known_model(server, &conn.request.scan):
        conn.fault = FAULT_404
    if conn.fault != FAULT_NONE and conn.fault < N_REFUSALS:
        say_page(server, conn, &server.refusals[16 * conn.family + conn.fault], False)
        return
    shape_answer(server, conn)
    slot_ask(server, conn)


cdef inline void say_metrics(Server* server, Conn* conn) noexcept nogil:
    cdef size_t n_head
    server.body.n = 0
    put_metrics(&server.body, server)
    n_head = put_whole_head(server, conn, b"text/plain; version=0.0.4; charset=utf-8", server.body.n)
    put_bytes(&server.scratch, server.body.at, server.body.n)
    if deliver(server, conn, n_head) != NO_MORE:
        conn_schedule(server, conn)


cdef inline void dispatch(Server* server, Conn* conn) noexcept nogil:
    """The request on this connection is whole: answer it, or set when it will be."""
    cdef const Route* route = route_of(server, conn)
    cdef bint without_body = conn.request.head.method == METHOD_HEAD
    server.counts.n_requests += 1
    conn.request.received_ns = server.now_ns
    conn.request.received_unix_ns = server.now_ns + server.unix_offset_ns
    conn.closes = not conn.request.head.keep_alive
    conn.fault = <uint8_t>fault_of_name(conn.request.head.fault, conn.request.head.n_fault)
    if route == NULL:
        say_page(server, conn, &server.pages[<int>PAGE_NOT_FOUND], without_body)
        return
    conn.family = <uint8_t>route.family
    if conn.fault == FAULT_NONE and conn.request.head.n_fault > 0:
        say_page(server, conn, &server.pages[<int>PAGE_NO_SUCH_FAULT], without_body)
        return
    if not (route.methods >> conn.request.head.method) & 1:
        say_page(server, conn, &server.pages[<int>PAGE_BAD_METHOD], without_body)
    elif route.operation == OP_METRICS:
        say_metrics(server, conn)
    elif route.operation != OP_FIXED:
        begin_generation(server, conn, <uint8_t>route.operation)
    elif conn.fault != FAULT_NONE and conn.fault < N_REFUSALS:
        say_page(server, conn, &server.refusals[16 * conn.family + conn.fault], without_body)
    else:
        conn.closes = conn.closes or conn.fault == FAULT_CLOSE
        say_page(server, conn, &route.page, without_body)
