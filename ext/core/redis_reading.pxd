"""Answers over RESP: one a request, in the order in which they were sent."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy, strlen
from core.connection cimport connection_close
from core.exchange cimport exchange_end, exchange_fail
from core.judging cimport judge_begin, judge_body, judge_feed, judge_missing, judge_reads, payload_of
from core.payload cimport CHECK_READ
from core.record cimport *
from core.state cimport *
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_MORE, Span, wire_reason
from wire.resp cimport resp_feed, resp_reset

cdef inline bint _is_word(const char* code, const char* word) noexcept nogil:
    return memcmp(code, word, strlen(word) + 1) == 0

cdef inline uint8_t _verdict_of_error(const char* code) noexcept nogil:
    """Whose fault the server's first word says it is."""
    if _is_word(code, "LOADING") or _is_word(code, "OOM") or _is_word(code, "BUSY") or _is_word(code, "MASTERDOWN"):
        return OUTCOME_SERVER_ERROR
    if _is_word(code, "MISCONF") or _is_word(code, "CLUSTERDOWN") or _is_word(code, "TRYAGAIN") or _is_word(code, "NOREPLICAS"):
        return OUTCOME_SERVER_ERROR
    if _is_word(code, "READONLY") or _is_word(code, "MOVED") or _is_word(code, "ASK") or _is_word(code, "UNBLOCKED"):
        return OUTCOME_SERVER_ERROR
    return OUTCOME_CLIENT_ERROR

cdef inline uint8_t _verdict(Loop* loop, Connection* connection) noexcept nogil:
    cdef Record* record = &connection.record
    if connection.resp.is_error:
        memcpy(record.error, connection.resp.error, ERROR_BYTES)
        memcpy(record.error_code, connection.resp.error_code, ERROR_CODE_BYTES)
        return _verdict_of_error(record.error_code)
    if connection.resp.n_items >= 0:
        record.n_items = connection.resp.n_items
    if connection.resp.is_null and payload_of(loop, connection).check == CHECK_READ:
        return judge_missing(loop, connection, OUTCOME_OK)
    return judge_body(loop, connection)

cdef inline void _first_byte(Loop* loop, Connection* connection, int64_t at_ns) noexcept nogil:
    """The record's answer begins; it may do so before the whole batch is sent."""
    if not connection.is_framed:
        connection.is_framed = True
        judge_begin(loop, connection)
    if connection.record.first_byte_at_ns == NEVER:
        connection.record.first_byte_at_ns = at_ns
        connection.record.stamp = connection.stamp
    if connection.record.sent_at_ns == NEVER:
        connection.record.sent_at_ns = at_ns
        loop.counters.n_sent += 1

cdef inline bint _complete(Loop* loop, Connection* connection, int64_t at_ns) noexcept nogil:
    """The answer is whole. True: the batch goes on."""
    cdef bint is_last = connection.queue_at >= connection.n_queued
    connection.record.done_at_ns = at_ns
    connection.record.outcome = _verdict(loop, connection)
    if is_last and connection.state != CLOSED:
        connection.state = IDLE
        connection.n_answers += 1
    return exchange_end(loop, connection, at_ns)

cdef inline void redis_take(Loop* loop, Connection* connection, size_t n_bytes, int64_t at_ns) noexcept nogil:
    """Parse what was read until nothing is left. What follows the last answer belongs to no request."""
    cdef const uint8_t* at = loop.buffer
    cdef int64_t read_lag_ns = connection.record.read_lag_ns
    cdef size_t n_used
    cdef Span body
    cdef int code
    while n_bytes > 0:
        _first_byte(loop, connection, at_ns)
        connection.record.read_lag_ns = max(connection.record.read_lag_ns, read_lag_ns)
        code = resp_feed(&connection.resp, at, n_bytes, &n_used, &body)
        at += n_used
        n_bytes -= n_used
        connection.record.response_bytes += n_used
        if code == WIRE_BODY:
            judge_feed(loop, connection, body.at, body.n_bytes)
        elif code == WIRE_ERROR:
            exchange_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.resp.error_reason))
            return
        elif code == WIRE_DONE:
            if n_bytes > 0 and connection.queue_at >= connection.n_queued:
                connection_close(connection, True)  # the next request opens another: these bytes would answer it
            if not _complete(loop, connection, at_ns):
                return
