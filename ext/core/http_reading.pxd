"""An answer over HTTP: framed by its head, read as its wire says, judged when it is whole."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset
from core.arena cimport arena_keep
from core.connection cimport connection_close
from core.exchange cimport exchange_end, exchange_fail, record_say
from core.judging cimport judge_begin, judge_body, judge_feed, judge_missing, judge_reads, payload_of
from core.payload cimport CHECK_READ
from core.record cimport *
from core.state cimport *
from wire.answer cimport (
    FRAMING_DOCUMENT, FRAMING_ERROR, FRAMING_NDJSON, FRAMING_OPAQUE, FRAMING_SSE, answer_feed, answer_finish, answer_reset,
)
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span, wire_reason
from wire.http1 cimport http1_eof
from wire.http1_field cimport CONTENT_HTML, CONTENT_SSE
from wire.http1_seen cimport http1_feed_seen

cdef inline bint _is_success(const Loop* loop, const Connection* connection) noexcept nogil:
    """Whether the status is the expected one, or any success where none is."""
    cdef int expected = payload_of(loop, connection).expect_status
    cdef int status = connection.http.status
    return status == expected if expected != 0 else status < 300

cdef inline int _framing(const Loop* loop, const Connection* connection) noexcept nogil:
    """How the body is read, known from the head."""
    cdef int kind = connection.http.content_kind
    if connection.http.status >= 300 and not _is_success(loop, connection):
        return FRAMING_ERROR
    if loop.settings.wire == WIRE_HTTP or kind == CONTENT_HTML:
        return FRAMING_OPAQUE
    if loop.settings.wire == WIRE_OLLAMA:
        return FRAMING_NDJSON
    return FRAMING_SSE if kind == CONTENT_SSE else FRAMING_DOCUMENT

cdef inline uint8_t _verdict_of_status(Loop* loop, Connection* connection) noexcept nogil:
    """The outcome of an answer whose status is not the wanted one."""
    cdef int status = connection.http.status
    if status < 300:
        snprintf(connection.record.error, ERROR_BYTES, b"status %d, expected %d", status, <int>payload_of(loop, connection).expect_status)
        connection.record.checked = 1
        return OUTCOME_WRONG_ANSWER
    if status == 429:
        return OUTCOME_RATE_LIMITED
    if status >= 500:
        return OUTCOME_SERVER_ERROR
    if status == 404 and payload_of(loop, connection).check == CHECK_READ:
        return judge_missing(loop, connection, OUTCOME_OK)
    if status < 400:
        record_say(&connection.record, "redirect: not followed")
    return OUTCOME_CONTEXT_LENGTH_EXCEEDED if connection.answer.context_length_exceeded else OUTCOME_CLIENT_ERROR

cdef inline uint8_t _verdict_of_tokens(const Loop* loop, const Connection* connection) noexcept nogil:
    """The outcome of a language model's answer."""
    cdef const Record* record = &connection.record
    if connection.answer.has_error:
        return OUTCOME_CONTEXT_LENGTH_EXCEEDED if connection.answer.context_length_exceeded else OUTCOME_STREAM_ERROR
    if loop.settings.expects_tokens[payload_of(loop, connection).operation] and record.n_events == 0:
        if connection.answer.is_refusal or record.finish_reason == FINISH_CONTENT_FILTER:
            return OUTCOME_REFUSED
        return OUTCOME_EMPTY_OUTPUT
    if loop.settings.fail_on_truncated and record.finish_reason == FINISH_LENGTH:
        return OUTCOME_TRUNCATED
    return OUTCOME_OK

cdef inline uint8_t _verdict(Loop* loop, Connection* connection) noexcept nogil:
    """The outcome of an answer that came whole."""
    if not _is_success(loop, connection):
        return _verdict_of_status(loop, connection)
    if judge_reads(loop, connection):
        return judge_body(loop, connection)
    return _verdict_of_tokens(loop, connection)

cdef inline void _take_facts(Loop* loop, Connection* connection) noexcept nogil:
    """What the answer said of itself goes into the record."""
    cdef Record* record = &connection.record
    record.http_status = connection.http.status
    record.finish_reason = connection.answer.finish_reason
    record.prompt_tokens = connection.answer.prompt_tokens
    record.server_total_ns = connection.answer.server_total_ns
    record.server_load_ns = connection.answer.server_load_ns
    record.server_prompt_eval_ns = connection.answer.server_prompt_eval_ns
    record.server_eval_ns = connection.answer.server_eval_ns
    if connection.answer.has_error or record.http_status >= 300 and not _is_success(loop, connection):
        memcpy(record.error, connection.answer.error, ERROR_BYTES)
        memcpy(record.error_code, connection.answer.error_code, ERROR_CODE_BYTES)
    if not loop.settings.expects_tokens[payload_of(loop, connection).operation]:
        return
    if connection.answer.output_tokens >= 0:
        record.output_tokens = connection.answer.output_tokens
        record.token_source = TOKENS_USAGE
    else:
        record.output_tokens = record.n_events
        record.token_source = TOKENS_EVENTS

cdef inline void _complete(Loop* loop, Connection* connection, int64_t at_ns, bint is_reusable) noexcept nogil:
    """The answer is whole."""
    cdef bint has_sent_all = connection.record.sent_at_ns != NEVER
    connection.record.done_at_ns = at_ns
    _take_facts(loop, connection)
    connection.record.outcome = _verdict(loop, connection)
    if connection.record.outcome == OUTCOME_OK:  # what was missing may rightly be
        memset(connection.record.error, 0, ERROR_BYTES)
        memset(connection.record.error_code, 0, ERROR_CODE_BYTES)
    if is_reusable and has_sent_all and connection.http.keep_alive:
        connection.state = IDLE
        connection.n_answers += 1
    else:
        connection_close(connection, not has_sent_all)
    exchange_end(loop, connection, at_ns)

cdef inline void http_fail(Loop* loop, Connection* connection, uint8_t outcome, const char* why) noexcept nogil:
    """The answer cannot be used, but what it said before counts: an error event followed by a close is the event's error."""
    _take_facts(loop, connection)
    if connection.answer.has_error:
        outcome = _verdict_of_tokens(loop, connection)
    exchange_fail(loop, connection, outcome, why)

cdef inline void _token(Loop* loop, Connection* connection, int64_t at_ns) noexcept nogil:
    cdef Record* record = &connection.record
    if record.first_token_at_ns == NEVER:
        record.first_token_at_ns = at_ns
    record.last_token_at_ns = at_ns
    record.n_events += 1
    if loop.n_in_read > 0:
        record.n_shared_stamps += 1
    loop.n_in_read += 1
    loop.counters.n_tokens += 1
    arena_keep(&loop.arena, &connection.instants, at_ns)

cdef inline int _read_body(Loop* loop, Connection* connection, Span body, int64_t at_ns) noexcept nogil:
    """Feed a piece of the body to the answer's reader; what follows the end mark counts for nothing. Return WIRE_MORE or WIRE_ERROR."""
    cdef size_t n_used
    cdef int code
    if connection.is_judged:
        judge_feed(loop, connection, body.at, body.n_bytes)
        return WIRE_MORE
    while not connection.answer.is_done:
        code = answer_feed(&connection.answer, body.at, body.n_bytes, &n_used)
        if code != WIRE_EVENT:
            return code
        if connection.answer.event_has_content:
            _token(loop, connection, at_ns)
        body.at += n_used
        body.n_bytes -= n_used
    return WIRE_MORE

cdef inline bint _end_body(Loop* loop, Connection* connection, int64_t at_ns) noexcept nogil:
    """The body has ended: whatever needed no end mark of its own is complete now. Return False if it was cut."""
    cdef int code = answer_finish(&connection.answer)
    if code == WIRE_EVENT and connection.answer.event_has_content:
        _token(loop, connection, at_ns)
    return code != WIRE_ERROR

cdef inline void _begin_body(Loop* loop, Connection* connection) noexcept nogil:
    """The head is complete."""
    connection.is_framed = True
    connection.is_judged = judge_reads(loop, connection) and _is_success(loop, connection)
    answer_reset(&connection.answer, _framing(loop, connection))
    if loop.settings.wire == WIRE_HTTP and _is_success(loop, connection):
        connection.answer.is_done = 1  # its body says nothing that a record holds
    if connection.is_judged:
        judge_begin(loop, connection)

cdef inline void http_take(Loop* loop, Connection* connection, size_t n_bytes, int64_t at_ns) noexcept nogil:
    """Parse what was read until the answer is whole or wrong, or nothing is left."""
    cdef const uint8_t* at = loop.buffer
    cdef size_t n_used
    cdef Span body
    cdef int code
    while True:
        code = http1_feed_seen(&connection.http, &loop.seen_head, at, n_bytes, &n_used, &body)
        at += n_used
        n_bytes -= n_used
        if code == WIRE_HEAD:
            _begin_body(loop, connection)
        elif code == WIRE_BODY:
            if _read_body(loop, connection, body, at_ns) == WIRE_ERROR:
                http_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.answer.error_reason))
                return
        elif code == WIRE_DONE:
            _end_answer(loop, connection, at_ns, n_bytes == 0)
            return
        elif code == WIRE_ERROR:
            http_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.http.error))
            return
        else:
            return

cdef inline bint _is_page(const Loop* loop, const Connection* connection) noexcept nogil:
    """A success that is a page for people: some other server answers here."""
    return loop.settings.wire != WIRE_HTTP and connection.http.content_kind == CONTENT_HTML and connection.http.status < 300

cdef inline void _end_answer(Loop* loop, Connection* connection, int64_t at_ns, bint is_reusable) noexcept nogil:
    if _is_page(loop, connection):
        http_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, "an HTML page in the place of an answer")
    elif _end_body(loop, connection, at_ns):
        _complete(loop, connection, at_ns, is_reusable)
    else:
        http_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.answer.error_reason))

cdef inline bint http_ends(Loop* loop, Connection* connection) noexcept nogil:
    """The server has closed. True: that was the end of the answer."""
    if not connection.is_framed or http1_eof(&connection.http) != WIRE_DONE:
        return False
    _end_answer(loop, connection, connection.last_arrival_ns, False)
    return True
