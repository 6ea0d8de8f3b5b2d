"""What comes back: dated by the kernel, read by the wire parsers, judged when it is whole."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memset, strerror
from core.arena cimport arena_keep
from core.clock cimport NS_PER_S, clock_arrival_ns, run_now_ns
from core.connection cimport connection_close
from core.exchange cimport exchange_end, exchange_fail, exchange_resend, record_say
from core.record cimport *
from core.state cimport *
from linux.clock cimport timespec
from linux.socket cimport (
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_NXTHDR, SOL_SOCKET, cmsghdr, iovec, msghdr, recvmsg,
)
from linux.timestamping cimport SCM_TIMESTAMPING, scm_timestamping
from wire.answer cimport (
    FRAMING_DOCUMENT, FRAMING_ERROR, FRAMING_NDJSON, FRAMING_OPAQUE, FRAMING_SSE, answer_feed, answer_finish, answer_reset,
)
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span, wire_reason
from wire.http1 cimport http1_eof, http1_feed
from wire.http1_field cimport CONTENT_HTML, CONTENT_SSE

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
    if record.first_byte_at_ns == NEVER:
        record.stamp = STAMP_KERNEL if stamp_ns != UNKNOWN else STAMP_READ
        connection.last_arrival_ns = record.sent_at_ns
    elif stamp_ns == UNKNOWN:
        record.stamp = STAMP_READ
    if at_ns < connection.last_arrival_ns:
        at_ns = connection.last_arrival_ns
    connection.last_arrival_ns = at_ns
    record.read_lag_ns = max(record.read_lag_ns, read_at_ns - at_ns)
    return at_ns

cdef inline int _framing(const Loop* loop, const Connection* connection) noexcept nogil:
    """How the body is read, known from the head."""
    cdef int kind = connection.http.content_kind
    if connection.http.status >= 300:
        return FRAMING_ERROR
    if loop.settings.wire == WIRE_HTTP or kind == CONTENT_HTML:
        return FRAMING_OPAQUE
    if loop.settings.wire == WIRE_OLLAMA:
        return FRAMING_NDJSON
    return FRAMING_SSE if kind == CONTENT_SSE else FRAMING_DOCUMENT

cdef inline uint8_t _verdict(const Loop* loop, Connection* connection) noexcept nogil:
    """The outcome of an answer that came whole."""
    cdef Record* record = &connection.record
    if record.http_status >= 300:
        return _verdict_of_status(connection)
    if connection.answer.has_error:
        return OUTCOME_CONTEXT_LENGTH_EXCEEDED if connection.answer.context_length_exceeded else OUTCOME_STREAM_ERROR
    if loop.settings.expects_tokens[record.operation] and record.n_events == 0:
        if connection.answer.is_refusal or record.finish_reason == FINISH_CONTENT_FILTER:
            return OUTCOME_REFUSED
        return OUTCOME_EMPTY_OUTPUT
    if loop.settings.fail_on_truncated and record.finish_reason == FINISH_LENGTH:
        return OUTCOME_TRUNCATED
    return OUTCOME_OK

cdef inline uint8_t _verdict_of_status(Connection* connection) noexcept nogil:
    cdef int status = connection.http.status
    if status == 429:
        return OUTCOME_RATE_LIMITED
    if status >= 500:
        return OUTCOME_SERVER_ERROR
    if status < 400:
        record_say(&connection.record, "redirect: not followed")
    return OUTCOME_CONTEXT_LENGTH_EXCEEDED if connection.answer.context_length_exceeded else OUTCOME_CLIENT_ERROR

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
    if connection.answer.has_error or record.http_status >= 300:
        memcpy(record.error, connection.answer.error, ERROR_BYTES)
    if not loop.settings.expects_tokens[record.operation]:
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
    if is_reusable and has_sent_all and connection.http.keep_alive:
        connection.state = IDLE
        connection.n_answers += 1
    else:
        connection_close(connection, not has_sent_all)
    exchange_end(loop, connection, at_ns)

cdef inline void reading_fail(Loop* loop, Connection* connection, uint8_t outcome, const char* why) noexcept nogil:
    """The answer cannot be used, but what it said before counts: an error event followed by a close is the event's error."""
    _take_facts(loop, connection)
    if connection.answer.has_error:
        outcome = _verdict(loop, connection)
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

cdef inline void _take_bytes(Loop* loop, Connection* connection, size_t n_bytes, int64_t at_ns) noexcept nogil:
    """Parse what was read until the answer is whole or wrong, or nothing is left."""
    cdef const uint8_t* at = loop.buffer
    cdef size_t n_used
    cdef Span body
    cdef int code
    while True:
        code = http1_feed(&connection.http, at, n_bytes, &n_used, &body)
        at += n_used
        n_bytes -= n_used
        if code == WIRE_HEAD:
            connection.is_framed = True
            answer_reset(&connection.answer, _framing(loop, connection))
        elif code == WIRE_BODY:
            if _read_body(loop, connection, body, at_ns) == WIRE_ERROR:
                reading_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.answer.error_code))
                return
        elif code == WIRE_DONE:
            _end_answer(loop, connection, at_ns, n_bytes == 0)
            return
        elif code == WIRE_ERROR:
            reading_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.http.error))
            return
        else:
            return

cdef inline bint _is_page(const Loop* loop, const Connection* connection) noexcept nogil:
    """A success that is a page for people: some other server answers here."""
    return loop.settings.wire != WIRE_HTTP and connection.http.content_kind == CONTENT_HTML and connection.http.status < 300

cdef inline void _end_answer(Loop* loop, Connection* connection, int64_t at_ns, bint is_reusable) noexcept nogil:
    if _is_page(loop, connection):
        reading_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, "an HTML page in the place of an answer")
    elif _end_body(loop, connection, at_ns):
        _complete(loop, connection, at_ns, is_reusable)
    else:
        reading_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.answer.error_code))

cdef inline void _closed_by_server(Loop* loop, Connection* connection) noexcept nogil:
    if not connection.carries:
        connection_close(connection, False)
    elif connection.is_framed and http1_eof(&connection.http) == WIRE_DONE:
        _end_answer(loop, connection, connection.last_arrival_ns, False)
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
        if connection.record.first_byte_at_ns == NEVER:
            connection.record.first_byte_at_ns = at_ns
        connection.record.response_bytes += n_bytes
        _take_bytes(loop, connection, n_bytes, at_ns)
