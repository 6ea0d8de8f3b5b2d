"""A request as it comes in, cut anywhere: head, then a body of known length or in chunks, neither of them kept."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memchr, memcpy

from sim.body_scan cimport body_scan_begin, body_scan_feed
from sim.head cimport HEAD_BYTES, LINE_BYTES, Head, head_line
from sim.state cimport CONN_BODY, CONN_CHUNK_BODY, CONN_CHUNK_END, CONN_CHUNK_SIZE, CONN_HEAD, CONN_READY
from sim.state cimport CONN_TRAILER, Conn


cdef inline void head_is_whole(Conn* conn) noexcept nogil:
    body_scan_begin(&conn.request.scan)
    conn.request.body_left = conn.request.head.body_bytes
    if conn.request.head.is_chunked:
        conn.state = CONN_CHUNK_SIZE
    else:
        conn.state = CONN_BODY if conn.request.body_left > 0 else CONN_READY


cdef inline void chunk_size_line(Conn* conn, const uint8_t* line, size_t n) noexcept nogil:
    """Hexadecimal digits; extensions after them are passed over."""
    cdef int64_t size = 0
    cdef size_t i = 0
    cdef uint8_t digit
    while i < n and i < 8:
        digit = line[i] | 32
        if 48 <= line[i] <= 57:
            size = 16 * size + line[i] - 48
        elif c'a' <= digit <= c'f':
            size = 16 * size + digit - 87
        else:
            break
        i += 1
    if i == 0:
        conn.request.head.broken = 1
    conn.request.body_left = size
    conn.request.head.n_bytes = 0   # the limit is one for a head, and one for each of these lines
    conn.state = CONN_CHUNK_BODY if size > 0 else CONN_TRAILER


cdef inline void eat_line(Conn* conn, const uint8_t* line, size_t n) noexcept nogil:
    if n > 0 and line[n - 1] == c'\r':
        n -= 1
    if conn.state == CONN_HEAD:
        if head_line(&conn.request.head, line, n):
            head_is_whole(conn)
    elif conn.state == CONN_CHUNK_SIZE:
        chunk_size_line(conn, line, n)
    elif conn.state == CONN_CHUNK_END:
        conn.state = CONN_CHUNK_SIZE
    elif n == 0:
        conn.state = CONN_READY


cdef inline size_t feed_line(Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Eat up to the next line end. A line whole in `data` is read where it lies, one that is cut is put together."""
    cdef const uint8_t* end = <const uint8_t*>memchr(data, c'\n', n)
    cdef size_t n_piece = <size_t>(end - data) if end != NULL else n
    cdef size_t n_kept
    conn.request.head.n_bytes += <int>n_piece + 1
    if conn.request.n_line == 0 and end != NULL:
        eat_line(conn, data, n_piece)
        return n_piece + 1
    n_kept = LINE_BYTES - <size_t>conn.request.n_line
    if n_kept > n_piece:
        n_kept = n_piece
    memcpy(conn.request.line + conn.request.n_line, data, n_kept)
    conn.request.n_line += <int>n_kept
    if end == NULL:
        return n
    n_kept = <size_t>conn.request.n_line
    conn.request.n_line = 0
    eat_line(conn, conn.request.line, n_kept)
    return n_piece + 1


cdef inline size_t feed_body(Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    cdef size_t n_used = n if <int64_t>n < conn.request.body_left else <size_t>conn.request.body_left
    body_scan_feed(&conn.request.scan, data, n_used)
    conn.request.body_left -= <int64_t>n_used
    if conn.request.body_left == 0:
        conn.state = CONN_READY if conn.state == CONN_BODY else CONN_CHUNK_END
    return n_used


cdef inline size_t feed_request(Conn* conn, const uint8_t* data, size_t n) noexcept nogil:
    """Eat until the request is whole (CONN_READY) or broken, or the data end. Returns how many bytes were eaten."""
    cdef size_t n_used = 0
    cdef const Head* head = &conn.request.head
    while n_used < n and conn.state != CONN_READY and not head.broken and head.n_bytes < HEAD_BYTES:
        if conn.state == CONN_BODY or conn.state == CONN_CHUNK_BODY:
            n_used += feed_body(conn, data + n_used, n - n_used)
        else:
            n_used += feed_line(conn, data + n_used, n - n_used)
    return n_used
