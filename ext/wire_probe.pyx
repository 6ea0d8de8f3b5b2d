"""The wire parsers as they are compiled into the engine, for tests: bytes in, what they said out."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from wire.answer cimport AnswerReader, answer_finish
from wire.any_parser cimport (ANY_ANSWER, ANY_HTTP1, ANY_HTTP1_SEEN, ANY_IDS, ANY_NDJSON, ANY_PG, ANY_RESP, ANY_SSE, ANY_VALUE,
                              AnyParser, any_feed, any_reset)
from wire.codes cimport (N_REASONS, WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span,
                         wire_reason)
from wire.crc32c cimport CRC32C_LONG_BYTES, CRC32C_SHORT_BYTES, crc32c_feed, crc32c_software
from wire.error_code cimport ERROR_CODE_TEXT_BYTES, ErrorCode
from wire.error_text cimport ERROR_TEXT_BYTES, ErrorText, error_text_feed, error_text_reset, error_text_start
from wire.http1 cimport Http1Parser, http1_eof
from wire.json_facts cimport (FINISH_CODE_CONTENT_FILTER, FINISH_CODE_LENGTH, FINISH_CODE_NONE, FINISH_CODE_OTHER,
                              FINISH_CODE_STOP, FINISH_CODE_TOOL_CALLS, JsonFacts, facts_code)
from wire.json_ids cimport IdsReader
from wire.json_number cimport JsonNumber, number_feed, number_is_complete, number_start, number_value
from wire.json_scan cimport JsonScan, json_feed, json_finish, json_reset
from wire.pgwire cimport PgParser
from wire.resp cimport RespParser
from wire.search cimport Search, search_feed, search_reset
from wire.sse cimport SseParser
from wire.value cimport STAMP_BYTES, ValueReader, stamp_write, value_finish

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* now)
    int CLOCK_MONOTONIC

KINDS = ("http1", "sse", "ndjson", "answer", "resp", "pg", "ids", "value")  # of reply_ns(), as AnyKind
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
ERROR_CODE_BYTES = ERROR_CODE_TEXT_BYTES
STRUCT_BYTES = {
    "Http1Parser": sizeof(Http1Parser),
    "SseParser": sizeof(SseParser),
    "JsonScan": sizeof(JsonScan),
    "AnswerReader": sizeof(AnswerReader),
    "RespParser": sizeof(RespParser),
    "PgParser": sizeof(PgParser),
    "ValueReader": sizeof(ValueReader),
    "Search": sizeof(Search),
    "IdsReader": sizeof(IdsReader),
}
CRC32C_JOINS = (3 * CRC32C_SHORT_BYTES, 3 * CRC32C_LONG_BYTES)  # lengths from which three streams are read at once
VERDICTS = ("good", "short", "torn", "foreign")


def reasons():
    """Every text that wire_reason() gives, by number."""
    return [wire_reason(reason).decode() for reason in range(N_REASONS)]


cdef class Codes:
    """What a parser returns while it is fed read by read, but for WIRE_MORE; WIRE_ERROR is the last."""
    cdef AnyParser parser
    cdef Span body
    cdef list chunks         # that have not been fed, the next one last
    cdef bytes chunk
    cdef size_t n_done       # of the chunk
    cdef int kind
    cdef int code            # the last one, WIRE_MORE too

    def __init__(self, kind, chunks, option=0):
        self.kind = kind
        self.again(chunks, option)

    def again(self, chunks, option=0):
        """The next thing of the same kind."""
        self.chunks = list(reversed(chunks))
        self.chunk = None
        self.code = WIRE_MORE
        any_reset(&self.parser, self.kind, option)

    def __iter__(self):
        return self

    def __next__(self):
        cdef size_t n_used
        cdef const uint8_t* at
        while self.code != WIRE_ERROR:
            if self.chunk is None:
                if not self.chunks:
                    raise StopIteration
                self.chunk = self.chunks.pop()
                self.n_done = 0
            at = self.chunk
            at += self.n_done
            self.code = any_feed(&self.parser, self.kind, at, len(self.chunk) - self.n_done, &n_used, &self.body)
            self.n_done += n_used
            if self.code != WIRE_MORE:
                return self.code
            self.chunk = None
        raise StopIteration

    cdef bytes piece(self):
        """Of the body, after WIRE_BODY."""
        return self.body.at[:self.body.n_bytes]


cdef str _reason(int reason):
    return wire_reason(reason).decode()


def http1(chunks, head=False, eof=False, before=None):
    """Feed one response, read by read, and if asked the connection's close.

    before: a response to GET in one read that came earlier, whose head the reader may know again.
    Returns a list of ("head", status, content kind, keep_alive, retry_after_s), ("body", bytes), ("done", keep_alive,
    bytes left over), ("error", reason). Without the last two it wants more.
    """
    cdef Codes codes = Codes(ANY_HTTP1 if before is None else ANY_HTTP1_SEEN, chunks, head)
    cdef Http1Parser* parser = &codes.parser.http1
    said = []
    if before is not None:
        codes.again([before], False)
        while next(codes, WIRE_DONE) not in (WIRE_DONE, WIRE_ERROR):
            pass
        codes.again(chunks, head)
    for code in codes:
        if code == WIRE_HEAD:
            said.append(("head", parser.status, CONTENT_KINDS[parser.content_kind], bool(parser.keep_alive),
                         parser.retry_after_s))
        elif code == WIRE_BODY:
            said.append(("body", codes.piece()))
        elif code == WIRE_DONE:
            left = b"".join([codes.chunk[codes.n_done:], *reversed(codes.chunks)])
            return [*said, ("done", bool(parser.keep_alive), left)]
        else:
            return [*said, ("error", _reason(parser.error))]
    if eof:
        code = http1_eof(parser)
        said.append(("done", bool(parser.keep_alive), b"") if code == WIRE_DONE else ("error", _reason(parser.error)))
    return said


def sse(chunks):
    """Feed an event stream.

    Returns (events, pending, reason): events is a list of (data, is error event), pending whether an unfinished event
    has data, reason the error's text or None.
    """
    cdef Codes codes = Codes(ANY_SSE, chunks)
    cdef SseParser* parser = &codes.parser.sse
    events = []
    pieces = []
    for code in codes:
        if code == WIRE_BODY:
            pieces.append(codes.piece())
        elif code == WIRE_EVENT:
            events.append((b"".join(pieces), bool(parser.event_is_error)))
            pieces = []
    return events, bool(parser.has_data), _reason(parser.error) or None


def ndjson(chunks):
    """Feed lines. Returns (lines, the unfinished one, whether a line was too long)."""
    cdef Codes codes = Codes(ANY_NDJSON, chunks)
    lines = []
    line = b""
    for code in codes:
        if code == WIRE_BODY:
            line += codes.piece()
        elif code == WIRE_EVENT:
            lines.append(line)
            line = b""
    return lines, line, codes.code == WIRE_ERROR


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
    cdef const ErrorCode* code = facts_code(facts)
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
        "error_code": code.kept.text[:ERROR_CODE_TEXT_BYTES].rstrip(b"\0") if code else b"",
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
    cdef Codes codes = Codes(ANY_ANSWER, chunks, FRAMINGS.index(framing))
    cdef AnswerReader* reader = &codes.parser.answer
    cdef int code
    events = [_known(reader) for code in codes if code == WIRE_EVENT]
    code = codes.code if codes.code == WIRE_ERROR else answer_finish(reader)
    if code == WIRE_EVENT:
        events.append(_known(reader))
    return events, _known(reader), _reason(reader.error_reason) if code == WIRE_ERROR else None


cdef dict _known(AnswerReader* reader):
    return {
        "has_content": bool(reader.event_has_content),
        "finish_reason": reader.finish_reason,
        "prompt_tokens": reader.prompt_tokens,
        "output_tokens": reader.output_tokens,
        "has_error": bool(reader.has_error),
        "error": reader.error[:ERROR_TEXT_BYTES].rstrip(b"\0"),
        "error_code": reader.error_code[:ERROR_CODE_TEXT_BYTES].rstrip(b"\0"),
        "context_length_exceeded": bool(reader.context_length_exceeded),
        "is_refusal": bool(reader.is_refusal),
        "is_done": bool(reader.is_done),
        "server_total_ns": reader.server_total_ns,
        "server_load_ns": reader.server_load_ns,
        "server_prompt_eval_ns": reader.server_prompt_eval_ns,
        "server_eval_ns": reader.server_eval_ns,
    }


def resp(chunks):
    """Feed replies of Redis. Returns a list of ("body", bytes), ("done", what the reply was) and ("error", reason)."""
    cdef Codes codes = Codes(ANY_RESP, chunks)
    cdef RespParser* parser = &codes.parser.resp
    said = []
    for code in codes:
        said.append(("body", codes.piece()) if code == WIRE_BODY else ("done", _reply(parser)) if code == WIRE_DONE
                    else ("error", _reason(parser.error_reason)))
    return said


cdef dict _reply(RespParser* parser):
    return {
        "kind": chr(parser.kind),
        "is_null": bool(parser.is_null),
        "is_error": bool(parser.is_error),
        "integer": parser.integer,
        "n_items": parser.n_items,
        "error": parser.error[:ERROR_TEXT_BYTES].rstrip(b"\0") if parser.is_error else b"",
        "error_code": parser.error_code[:ERROR_CODE_TEXT_BYTES].rstrip(b"\0") if parser.is_error else b"",
    }


def pg(chunks):
    """Feed what a PostgreSQL server answers.

    Returns (said, facts): said is a list of ("body", bytes), ("row", its id), ("done", the transaction's status) and
    ("error", reason), facts what is known at the end.
    """
    cdef Codes codes = Codes(ANY_PG, chunks)
    cdef PgParser* parser = &codes.parser.pg
    said = []
    for code in codes:
        said.append(("body", codes.piece()) if code == WIRE_BODY else ("row", parser.row_id) if code == WIRE_EVENT
                    else ("done", chr(parser.transaction)) if code == WIRE_DONE
                    else ("error", _reason(parser.error_reason)))
    return said, {
        "n_rows": parser.n_rows,
        "n_affected": parser.n_affected,
        "has_error": bool(parser.has_error),
        "is_fatal": bool(parser.is_fatal),
        "has_null": bool(parser.has_null),
        "error": parser.error[:ERROR_TEXT_BYTES].rstrip(b"\0") if parser.has_error else b"",
        "error_code": parser.error_code[:ERROR_CODE_TEXT_BYTES].rstrip(b"\0") if parser.has_error else b"",
    }


def ids(chunks):
    """Every id that a JSON answer names."""
    cdef Codes codes = Codes(ANY_IDS, chunks)
    return [codes.parser.ids.id for _ in codes]


def n_found(chunks, bytes needle):
    """How often the needle stands in the text."""
    cdef Search search
    cdef const uint8_t* at
    search_reset(&search, needle, len(needle))
    for chunk in chunks:
        at = chunk
        search_feed(&search, at, len(chunk))
    return search.n_found


def crc32c(bytes text, size_t skipped=0, uint32_t register=0xFFFFFFFF, *, bint in_software=False):
    """The register after the text, of which the first bytes are left out: so that it begins at any address."""
    cdef const uint8_t* at = <const uint8_t*> text + skipped
    cdef size_t n_bytes = len(text) - skipped
    return crc32c_software(register, at, n_bytes) if in_software else crc32c_feed(register, at, n_bytes)


def stamp(bytes before, bytes tag, int64_t key, uint32_t version):
    """The stamp for a value that begins so."""
    cdef uint8_t[STAMP_BYTES] written
    cdef const uint8_t* at = before
    stamp_write(written, crc32c_feed(0xFFFFFFFF, at, len(before)), tag, key, version)
    return written[:STAMP_BYTES]


def value(chunks, bytes tag):
    """Feed a value. Returns (verdict, key, version, bytes)."""
    cdef Codes codes = Codes(ANY_VALUE, chunks)
    cdef ValueReader* reader = &codes.parser.value
    assert list(codes) == []
    verdict = VERDICTS[value_finish(reader, tag)]
    return verdict, reader.key, reader.version, reader.n_bytes


def reply_ns(bytes reply, kind, int n_rounds, framing="sse"):
    """Nanoseconds that reading a whole reply takes, the mean of so many rounds. framing: where kind is answer."""
    cdef AnyParser parser
    cdef Span body
    cdef int number = KINDS.index(kind)
    cdef int option = FRAMINGS.index(framing) if kind == "answer" else 0
    cdef const uint8_t* at
    cdef const uint8_t* end = <const uint8_t*> reply + len(reply)
    cdef size_t n_used
    cdef int code, i
    cdef int64_t before_ns = _now_ns()
    for i in range(n_rounds):
        any_reset(&parser, number, option)
        at = reply
        code = WIRE_BODY
        while code > WIRE_MORE and code != WIRE_DONE:
            code = any_feed(&parser, number, at, end - at, &n_used, &body)
            at += n_used
    return (_now_ns() - before_ns) / <double> n_rounds


def crc32c_ns(bytes text, int n_rounds):
    """The same of a checksum."""
    cdef uint32_t crc = 0
    cdef int i
    cdef const uint8_t* at = text
    cdef size_t n_bytes = len(text)
    cdef int64_t before_ns = _now_ns()
    for i in range(n_rounds):
        crc = crc32c_feed(crc, at, n_bytes)
    return (_now_ns() - before_ns) / <double> n_rounds


cdef int64_t _now_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec
