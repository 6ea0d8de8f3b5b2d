"""The wire parsers as they are compiled into the engine, for tests: bytes in, what they said out."""
from libc.stdint cimport uint8_t

from wire.answer cimport AnswerReader, answer_feed, answer_finish, answer_reset
from wire.codes cimport (N_REASONS, WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span,
                         wire_reason)
from wire.error_text cimport ERROR_TEXT_BYTES, ErrorText, error_text_feed, error_text_reset, error_text_start
from wire.http1 cimport Http1Parser, http1_eof, http1_feed, http1_reset
from wire.json_facts cimport (FINISH_CODE_CONTENT_FILTER, FINISH_CODE_LENGTH, FINISH_CODE_NONE, FINISH_CODE_OTHER,
                              FINISH_CODE_STOP, FINISH_CODE_TOOL_CALLS, JsonFacts)
from wire.json_number cimport JsonNumber, number_feed, number_is_complete, number_start, number_value
from wire.json_scan cimport JsonScan, json_feed, json_finish, json_reset, json_reset_document
from wire.ndjson cimport NdjsonParser, ndjson_feed, ndjson_reset
from wire.sse cimport SseParser, sse_feed, sse_reset

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* now)
    int CLOCK_MONOTONIC

CONTENT_KINDS = ("other", "sse", "ndjson", "json", "html")
FRAMINGS = ("sse", "ndjson", "document", "opaque", "error")
FINISH_CODES = {
    "none": FINISH_CODE_NONE,
    "stop": FINISH_CODE_STOP,
    "length": FINISH_CODE_LENGTH,
    "tool_calls": FINISH_CODE_TOOL_CALLS,
    "content_filter": FINISH_CODE_CONTENT_FILTER,
    "other": FINISH_CODE_OTHER,
}
ERROR_BYTES = ERROR_TEXT_BYTES
STRUCT_BYTES = {
    "Http1Parser": sizeof(Http1Parser),
    "SseParser": sizeof(SseParser),
    "JsonScan": sizeof(JsonScan),
    "AnswerReader": sizeof(AnswerReader),
}


def reasons():
    """Every text that wire_reason() gives, by number."""
    return [wire_reason(reason).decode() for reason in range(N_REASONS)]


def http1(chunks, head=False, eof=False):
    """Feed one response, read by read, and if asked the connection's close.

    Returns a list of ("head", status, content kind, keep_alive, retry_after_s), ("body", bytes), ("done", keep_alive,
    bytes left over), ("error", reason). Without the last two it wants more.
    """
    cdef Http1Parser parser
    http1_reset(&parser, head)
    said = []
    for n_fed, chunk in enumerate(chunks):
        code = _http1_chunk(&parser, chunk, said)
        if code == WIRE_DONE:
            left = said.pop() + b"".join(chunks[n_fed + 1:])
            return [*said, ("done", bool(parser.keep_alive), left)]
        if code == WIRE_ERROR:
            return [*said, ("error", wire_reason(parser.error).decode())]
    if eof:
        code = http1_eof(&parser)
        said.append(("done", bool(parser.keep_alive), b"") if code == WIRE_DONE
                    else ("error", wire_reason(parser.error).decode()))
    return said


cdef int _http1_chunk(Http1Parser* parser, bytes chunk, list said) except -9:
    """Feed one read. With WIRE_DONE the last thing said is what is left over."""
    cdef const uint8_t* at = chunk
    cdef size_t n_left = len(chunk)
    cdef size_t n_used
    cdef Span body
    while True:
        code = http1_feed(parser, at, n_left, &n_used, &body)
        at += n_used
        n_left -= n_used
        if code == WIRE_HEAD:
            said.append(("head", parser.status, CONTENT_KINDS[parser.content_kind], bool(parser.keep_alive),
                         parser.retry_after_s))
        elif code == WIRE_BODY:
            said.append(("body", body.at[:body.n_bytes]))
        else:
            if code == WIRE_DONE:
                said.append(at[:n_left])
            return code


def sse(chunks):
    """Feed an event stream.

    Returns (events, pending, reason): events is a list of (data, is error event), pending whether an unfinished event
    has data, reason the error's text or None.
    """
    cdef SseParser parser
    cdef Span piece
    cdef const uint8_t* at
    cdef size_t n_left
    cdef size_t n_used
    sse_reset(&parser)
    events = []
    pieces = []
    for chunk in chunks:
        at = chunk
        n_left = len(chunk)
        while True:
            code = sse_feed(&parser, at, n_left, &n_used, &piece)
            at += n_used
            n_left -= n_used
            if code == WIRE_BODY:
                pieces.append(piece.at[:piece.n_bytes])
            elif code == WIRE_EVENT:
                events.append((b"".join(pieces), bool(parser.event_is_error)))
                pieces = []
            else:
                break
        if code == WIRE_ERROR:
            return events, bool(parser.has_data), wire_reason(parser.error).decode()
    return events, bool(parser.has_data), None


def ndjson(chunks):
    """Feed lines. Returns (lines, the unfinished one, whether a line was too long)."""
    cdef NdjsonParser parser
    cdef Span piece
    cdef const uint8_t* at
    cdef size_t n_left
    cdef size_t n_used
    ndjson_reset(&parser)
    lines = []
    line = b""
    for chunk in chunks:
        at = chunk
        n_left = len(chunk)
        while True:
            code = ndjson_feed(&parser, at, n_left, &n_used, &piece)
            at += n_used
            n_left -= n_used
            if code == WIRE_BODY:
                line += piece.at[:piece.n_bytes]
            elif code == WIRE_EVENT:
                lines.append(line)
                line = b""
            else:
                break
        if code == WIRE_ERROR:
            return lines, line, True
    return lines, line, False


def json_facts(chunks):
    """Feed one JSON document. Returns its facts, with `reason` the error's text or None."""
    cdef JsonScan scan
    cdef const uint8_t* at
    json_reset(&scan)
    for chunk in chunks:
        at = chunk
        if json_feed(&scan, at, len(chunk)) == WIRE_ERROR:
            return {**_facts(&scan.facts), "reason": wire_reason(scan.error).decode()}
    reason = wire_reason(scan.error).decode() if json_finish(&scan) == WIRE_ERROR else None
    return {**_facts(&scan.facts), "reason": reason}


cdef dict _facts(JsonFacts* facts):
    return {
        "has_content": bool(facts.has_content),
        "is_refusal": bool(facts.is_refusal),
        "is_done": bool(facts.is_done),
        "has_error": bool(facts.has_error),
        "finish_reason": facts.finish_reason,
        "prompt_tokens": facts.prompt_tokens,
        "output_tokens": facts.output_tokens,
        "total_ns": facts.total_ns,
        "load_ns": facts.load_ns,
        "prompt_eval_ns": facts.prompt_eval_ns,
        "eval_ns": facts.eval_ns,
        "error": facts.error.text[:ERROR_TEXT_BYTES].rstrip(b"\0"),
        "names_context_length": bool(facts.error.names_context_length),
    }


def json_number(text):
    """The whole number that a JSON number stands for; None where it is malformed or something follows it."""
    cdef JsonNumber number
    cdef const uint8_t* at = text
    cdef size_t i
    if not text or at[0] not in b"-0123456789":
        return None
    number_start(&number, at[0])
    for i in range(1, len(text)):
        if number_feed(&number, at[i]) != WIRE_MORE:
            return None
    return number_value(&number) if number_is_complete(&number) else None


def error_text(chunks):
    """The excerpt kept of a text, and whether it names the context's length."""
    cdef ErrorText error
    cdef const uint8_t* at
    error_text_reset(&error)
    error_text_start(&error, 0)
    for chunk in chunks:
        at = chunk
        error_text_feed(&error, at, len(chunk))
    return error.text[:ERROR_TEXT_BYTES].rstrip(b"\0"), bool(error.names_context_length)


def answer(chunks, framing):
    """Feed the body of an answer and end it.

    Returns (events, last, reason): events holds what is known after each event, last what is known at the end, reason
    the error's text or None.
    """
    cdef AnswerReader reader
    cdef const uint8_t* at
    cdef size_t n_left
    cdef size_t n_used
    cdef int code = WIRE_MORE
    answer_reset(&reader, FRAMINGS.index(framing))
    events = []
    for chunk in chunks:
        at = chunk
        n_left = len(chunk)
        while True:
            code = answer_feed(&reader, at, n_left, &n_used)
            at += n_used
            n_left -= n_used
            if code != WIRE_EVENT:
                break
            events.append(_known(&reader))
        if code == WIRE_ERROR:
            break
    if code != WIRE_ERROR:
        code = answer_finish(&reader)
    if code == WIRE_EVENT:
        events.append(_known(&reader))
    reason = wire_reason(reader.error_code).decode() if code == WIRE_ERROR else None
    return events, _known(&reader), reason


cdef dict _known(AnswerReader* reader):
    return {
        "has_content": bool(reader.event_has_content),
        "finish_reason": reader.finish_reason,
        "prompt_tokens": reader.prompt_tokens,
        "output_tokens": reader.output_tokens,
        "has_error": bool(reader.has_error),
        "error": reader.error[:ERROR_TEXT_BYTES].rstrip(b"\0"),
        "context_length_exceeded": bool(reader.context_length_exceeded),
        "is_refusal": bool(reader.is_refusal),
        "is_done": bool(reader.is_done),
        "server_total_ns": reader.server_total_ns,
        "server_load_ns": reader.server_load_ns,
        "server_prompt_eval_ns": reader.server_prompt_eval_ns,
        "server_eval_ns": reader.server_eval_ns,
    }


def answer_ns(body, framing, n_rounds):
    """Nanoseconds that reading the whole body once takes, the mean of so many rounds."""
    cdef AnswerReader reader
    cdef const uint8_t* start = body
    cdef size_t n_bytes = len(body)
    cdef size_t n_read
    cdef size_t n_used
    cdef int n_left = n_rounds
    cdef timespec before
    cdef timespec after
    cdef int kind = FRAMINGS.index(framing)
    clock_gettime(CLOCK_MONOTONIC, &before)
    with nogil:
        while n_left:
            answer_reset(&reader, kind)
            n_read = 0
            while answer_feed(&reader, start + n_read, n_bytes - n_read, &n_used) == WIRE_EVENT:
                n_read += n_used
            n_left -= 1
    clock_gettime(CLOCK_MONOTONIC, &after)
    return ((after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec) / n_rounds
