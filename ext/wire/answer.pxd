"""The answer of a language model's server, event by event, and any server's error. No socket, clock or malloc.

What the engine asks of the other parsers, and nothing that it does not.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset

from wire.codes cimport (REASON_DOCUMENT_TOO_LONG, REASON_JSON, REASON_NDJSON_LINE_TOO_LONG, REASON_NONE,
                         REASON_SSE_NOT_JSON, WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_MORE, Span)
from wire.error_code cimport ERROR_CODE_TEXT_BYTES, ErrorCode
from wire.error_text cimport ERROR_TEXT_BYTES, error_text_feed, error_text_start
from wire.json_facts cimport FINISH_CODE_NONE, RANK_BODY, UNKNOWN, facts_code
from wire.json_scan cimport (JSON_FAILED, JsonScan, json_feed, json_finish, json_is_empty, json_reset,
                             json_reset_document)
from wire.ndjson cimport NdjsonParser, ndjson_feed, ndjson_reset
from wire.sse cimport SseParser, sse_feed, sse_reset
from wire.xml_error cimport XmlError, xml_error_feed, xml_error_reset

cdef enum AnswerFraming:
    FRAMING_SSE = 0
    FRAMING_NDJSON = 1
    FRAMING_DOCUMENT = 2     # one JSON document
    FRAMING_OPAQUE = 3       # not read; the first bytes are kept as the error's text
    FRAMING_ERROR = 4        # the body of a failed request: JSON or XML with an error in it, or else its first bytes

cdef enum:
    DOCUMENT_BYTES_MAX = 1073741824
    OPAQUE_BYTES_READ = 512  # a body that is not read costs no more than this
    ERROR_BYTES_READ = 65536
    SENTINEL_BYTES = 6       # [DONE]
    PAST_SENTINEL = 254      # [DONE] has come: later events count for nothing
    NO_SENTINEL = 255        # the event's data is something else

cdef struct AnswerReader:
    JsonScan json
    NdjsonParser ndjson
    SseParser sse
    int64_t n_document_bytes        # read of a document, or of a body kept as it comes
    int64_t server_total_ns         # durations the server reports; UNKNOWN (-1) where not given
    int64_t server_load_ns
    int64_t server_prompt_eval_ns
    int64_t server_eval_ns
    int32_t prompt_tokens           # the server's own count; UNKNOWN (-1) where not given
    int32_t output_tokens
    uint8_t framing                 # AnswerFraming
    uint8_t n_sentinel              # bytes of [DONE] that the event's data began with
    uint8_t event_has_content       # the event just completed carried generated content
    uint8_t finish_reason           # FinishCode
    uint8_t has_error               # the server said so in the answer
    uint8_t context_length_exceeded # and said that this was why
    uint8_t is_refusal
    uint8_t is_done                 # [DONE], or Ollama's done
    uint8_t error_reason            # WireReason, after WIRE_ERROR
    XmlError xml
    char[108] error                 # what the server said: UTF-8, padded with NUL where it is shorter
    char[23] error_code             # by which code it named the error: ASCII, likewise

cdef inline void answer_reset(AnswerReader* answer, int framing) noexcept nogil:
    """A new answer with that AnswerFraming begins."""
    json_reset(&answer.json)
    ndjson_reset(&answer.ndjson)
    sse_reset(&answer.sse)
    error_text_start(&answer.json.facts.error, RANK_BODY)
    answer.n_document_bytes = 0
    answer.server_total_ns = answer.server_load_ns = UNKNOWN
    answer.server_prompt_eval_ns = answer.server_eval_ns = UNKNOWN
    answer.prompt_tokens = answer.output_tokens = UNKNOWN
    answer.framing = <uint8_t> framing
    answer.n_sentinel = 0
    answer.event_has_content = answer.has_error = answer.context_length_exceeded = 0
    answer.is_refusal = answer.is_done = 0
    answer.finish_reason = FINISH_CODE_NONE
    answer.error_reason = REASON_NONE
    memset(answer.error, 0, ERROR_TEXT_BYTES)
    memset(answer.error_code, 0, ERROR_CODE_TEXT_BYTES)
    xml_error_reset(&answer.xml)

cdef inline int answer_feed(AnswerReader* answer, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Eat body bytes up to the end of the next event.

    Return WIRE_EVENT (the fields of answer are as that event left them; feed the rest again), WIRE_MORE (all eaten) or
    WIRE_ERROR (error_reason says why; feed no more).
    """
    if answer.framing == FRAMING_SSE:
        return _feed_sse(answer, data, n_bytes, n_used)
    if answer.framing == FRAMING_NDJSON:
        return _feed_ndjson(answer, data, n_bytes, n_used)
    n_used[0] = n_bytes
    if answer.framing == FRAMING_DOCUMENT:
        return _feed_document(answer, data, n_bytes)
    _keep_excerpt(answer, data, n_bytes)
    if answer.framing == FRAMING_ERROR:
        if answer.json.state != JSON_FAILED:
            json_feed(&answer.json, data, n_bytes)
        xml_error_feed(&answer.xml, &answer.json.facts, data, n_bytes)
    return WIRE_MORE

cdef inline int answer_finish(AnswerReader* answer) noexcept nogil:
    """The body has ended. Return WIRE_EVENT (its end completed a document), WIRE_MORE (nothing was open; an unfinished
    event of SSE counts for nothing) or WIRE_ERROR (a document is cut)."""
    if answer.framing == FRAMING_SSE or answer.framing == FRAMING_NDJSON and json_is_empty(&answer.json):
        return WIRE_MORE
    if answer.framing == FRAMING_NDJSON or answer.framing == FRAMING_DOCUMENT:
        return _document_ends(answer)
    if answer.framing == FRAMING_ERROR:
        json_finish(&answer.json)
    _take_facts(answer)
    return WIRE_MORE

cdef inline int _feed_sse(AnswerReader* answer, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    cdef Span piece
    cdef size_t n_eaten
    cdef int code
    n_used[0] = 0
    while True:
        code = sse_feed(&answer.sse, data + n_used[0], n_bytes - n_used[0], &n_eaten, &piece)
        n_used[0] += n_eaten
        if code == WIRE_BODY:
            _event_piece(answer, piece.at, piece.n_bytes)
        elif code == WIRE_EVENT:
            code = _event_ends(answer)
            if code != WIRE_MORE:
                return code
        elif code == WIRE_ERROR:
            answer.error_reason = answer.sse.error
            return WIRE_ERROR
        else:
            return WIRE_MORE

cdef inline void _event_piece(AnswerReader* answer, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Some of an event's data. If it is no JSON, that waits for the event's end: it may be an error event's text."""
    cdef const uint8_t* end = at + n_bytes
    if answer.n_sentinel == PAST_SENTINEL:
        return
    if answer.sse.type_is_error:
        _keep_excerpt(answer, at, n_bytes)
    if answer.n_sentinel != NO_SENTINEL:
        at = _sentinel(answer, at, end)
    if at < end:
        json_feed(&answer.json, at, end - at)

cdef inline const uint8_t* _sentinel(AnswerReader* answer, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat what may be [DONE] between blanks. If it turns out to be something else, JSON gets all of it."""
    cdef const char* word = b"[DONE]"
    while at < end:
        if answer.n_sentinel < SENTINEL_BYTES and at[0] == <uint8_t> word[answer.n_sentinel]:
            answer.n_sentinel += 1
        elif not ((at[0] == c" " or at[0] == c"\n" or at[0] == c"\t") and answer.n_sentinel % SENTINEL_BYTES == 0):
            _no_sentinel(answer)
            return at
        at += 1
    return at

cdef inline void _no_sentinel(AnswerReader* answer) noexcept nogil:
    json_feed(&answer.json, <const uint8_t*> b"[DONE]", answer.n_sentinel)
    answer.n_sentinel = NO_SENTINEL

cdef inline int _event_ends(AnswerReader* answer) noexcept nogil:
    """An event of SSE is complete. One of nothing but blanks is passed over."""
    cdef uint8_t n_sentinel = answer.n_sentinel
    cdef int code
    if n_sentinel == PAST_SENTINEL:
        return WIRE_MORE
    if 0 < n_sentinel < SENTINEL_BYTES:
        _no_sentinel(answer)
    answer.n_sentinel = 0
    if answer.sse.event_is_error:
        answer.json.facts.has_error = 1
    elif n_sentinel == 0:
        return WIRE_MORE
    if n_sentinel == SENTINEL_BYTES:
        _take_facts(answer)
        answer.is_done = 1
        answer.n_sentinel = PAST_SENTINEL
        return WIRE_EVENT
    code = _document_ends(answer)
    if code == WIRE_ERROR and answer.sse.event_is_error:
        answer.error_reason = REASON_NONE
        code = WIRE_EVENT
    elif code == WIRE_ERROR and answer.error_reason == REASON_JSON:
        answer.error_reason = REASON_SSE_NOT_JSON
    return code

cdef inline int _document_ends(AnswerReader* answer) noexcept nogil:
    """Take what the document said. Return WIRE_EVENT, or WIRE_ERROR where it is no JSON."""
    cdef int code = json_finish(&answer.json)
    answer.error_reason = answer.json.error
    _take_facts(answer)
    json_reset_document(&answer.json)
    return WIRE_EVENT if code == WIRE_DONE else WIRE_ERROR

cdef inline int _feed_ndjson(AnswerReader* answer, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    """One document a line. Lines after Ollama's last count for nothing."""
    cdef Span piece
    cdef size_t n_eaten
    cdef int code
    n_used[0] = 0
    while True:
        code = ndjson_feed(&answer.ndjson, data + n_used[0], n_bytes - n_used[0], &n_eaten, &piece)
        n_used[0] += n_eaten
        if code == WIRE_BODY:
            if not answer.is_done and json_feed(&answer.json, piece.at, piece.n_bytes) == WIRE_ERROR:
                answer.error_reason = answer.json.error
                return WIRE_ERROR
        elif code == WIRE_EVENT:
            if not json_is_empty(&answer.json):
                return _document_ends(answer)
        elif code == WIRE_ERROR:
            answer.error_reason = REASON_NDJSON_LINE_TOO_LONG
            return WIRE_ERROR
        else:
            return WIRE_MORE

cdef inline int _feed_document(AnswerReader* answer, const uint8_t* data, size_t n_bytes) noexcept nogil:
    answer.n_document_bytes += <int64_t> n_bytes
    if json_feed(&answer.json, data, n_bytes) == WIRE_ERROR:
        answer.error_reason = answer.json.error
        return WIRE_ERROR
    if answer.n_document_bytes > DOCUMENT_BYTES_MAX:
        answer.error_reason = REASON_DOCUMENT_TOO_LONG
        return WIRE_ERROR
    return WIRE_MORE

cdef inline void _keep_excerpt(AnswerReader* answer, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Keep the first bytes as they came, until something better is known."""
    cdef int64_t limit = OPAQUE_BYTES_READ if answer.framing == FRAMING_OPAQUE else ERROR_BYTES_READ
    n_bytes = <size_t> min(<int64_t> n_bytes, limit - answer.n_document_bytes)
    answer.n_document_bytes += <int64_t> n_bytes
    if answer.json.facts.error.rank == RANK_BODY:
        error_text_feed(&answer.json.facts.error, at, n_bytes)

cdef inline void _take_facts(AnswerReader* answer) noexcept nogil:
    answer.event_has_content = answer.json.facts.has_content
    answer.finish_reason = answer.json.facts.finish_reason
    answer.prompt_tokens = answer.json.facts.prompt_tokens
    answer.output_tokens = answer.json.facts.output_tokens
    answer.is_refusal = answer.json.facts.is_refusal
    if answer.framing != FRAMING_SSE:  # `done` is Ollama's word; a stream of events ends with [DONE]
        answer.is_done |= answer.json.facts.is_done
    answer.has_error = answer.json.facts.has_error
    answer.server_total_ns = answer.json.facts.total_ns
    answer.server_load_ns = answer.json.facts.load_ns
    answer.server_prompt_eval_ns = answer.json.facts.prompt_eval_ns
    answer.server_eval_ns = answer.json.facts.eval_ns
    if answer.has_error or answer.framing >= FRAMING_OPAQUE:
        _take_error(answer)

cdef inline void _take_error(AnswerReader* answer) noexcept nogil:
    cdef const ErrorCode* code = facts_code(&answer.json.facts)
    answer.context_length_exceeded = answer.json.facts.error.names_context_length
    memcpy(answer.error, answer.json.facts.error.text, ERROR_TEXT_BYTES)
    if code:
        memcpy(answer.error_code, code.kept.text, ERROR_CODE_TEXT_BYTES)
    if answer.has_error and answer.error[0] == 0:
        memcpy(answer.error, b"the server reported an error without a text", 43)
