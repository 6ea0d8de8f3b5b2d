# Invariant: a parser reads only bytes it was fed, eats all of them or says why not, comes to an end, and says the same
# however its input is cut.
"""The wire parsers under mutated input, to be built with AddressSanitizer. Every read is a heap block of its own."""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from mutation cimport INPUT_BYTES_MAX, Input, mutate, next_random
from wire.answer cimport (FRAMING_DOCUMENT, FRAMING_ERROR, FRAMING_NDJSON, FRAMING_OPAQUE, FRAMING_SSE, AnswerReader,
                          answer_finish)
from wire.any_parser cimport (ANY_ANSWER, ANY_HTTP1, ANY_IDS, ANY_PG, ANY_RESP, ANY_SEARCH, ANY_SSE, ANY_VALUE,
                              AnyParser, any_feed, any_reset)
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span
from wire.error_code cimport ERROR_CODE_TEXT_BYTES
from wire.error_text cimport ERROR_TEXT_BYTES
from wire.http1 cimport Http1Parser, http1_eof
from wire.pgwire cimport PgParser
from wire.resp cimport RespParser
from wire.search cimport search_reset
from wire.value cimport value_finish

KINDS = {  # by target: AnyKind, and its option
    "http1": (ANY_HTTP1, False),
    "head": (ANY_HTTP1, True),
    "sse": (ANY_SSE, 0),
    "answer_sse": (ANY_ANSWER, FRAMING_SSE),
    "answer_ndjson": (ANY_ANSWER, FRAMING_NDJSON),
    "answer_document": (ANY_ANSWER, FRAMING_DOCUMENT),
    "answer_opaque": (ANY_ANSWER, FRAMING_OPAQUE),
    "answer_error": (ANY_ANSWER, FRAMING_ERROR),
    "resp": (ANY_RESP, 0),
    "pg": (ANY_PG, 0),
    "ids": (ANY_IDS, 0),
    "search": (ANY_SEARCH, 0),
    "value": (ANY_VALUE, 0),
}
TARGETS = tuple(KINDS)

cdef enum Broken:
    BROKEN_CUT = 1           # the cut makes a difference
    BROKEN_SPAN              # a piece of the body is empty, or none of the bytes that were fed
    BROKEN_USED              # more bytes are used than were fed
    BROKEN_ENDLESS
    BROKEN_LEFT              # more is wanted though not all was used

cdef struct Target:
    int kind                 # AnyKind
    int option

cdef struct Run:
    AnyParser parser
    Target target
    uint64_t said            # hash of all that the parser said
    int is_over              # done or refused: nothing more is fed
    int broken               # Broken


cdef void note(Run* run, uint64_t what) noexcept nogil:
    run.said = (run.said ^ what) * 1099511628211u


cdef void note_bytes(Run* run, const uint8_t* at, size_t n_bytes) noexcept nogil:
    cdef size_t i
    for i in range(n_bytes):
        note(run, 256 + at[i])


cdef void note_error(Run* run, const char* error, const char* error_code) noexcept nogil:
    note_bytes(run, <const uint8_t*> error, ERROR_TEXT_BYTES)
    note_bytes(run, <const uint8_t*> error_code, ERROR_CODE_TEXT_BYTES)


cdef void start(Run* run, Target target) noexcept nogil:
    run.target = target
    run.said = 14695981039346656037u
    run.is_over = run.broken = 0
    if target.kind == ANY_SEARCH:
        search_reset(&run.parser.search, <const uint8_t*> b"abaab", 5)
    else:
        any_reset(&run.parser, target.kind, target.option)


cdef void note_code(Run* run, int code) noexcept nogil:
    """What the parser's fields say after such a code."""
    if run.target.kind == ANY_HTTP1:
        note_http1(run, &run.parser.http1, code)
    elif run.target.kind == ANY_SSE and code == WIRE_EVENT:
        note(run, 700 + run.parser.sse.event_is_error)
    elif run.target.kind == ANY_ANSWER and (code == WIRE_EVENT or code == WIRE_ERROR):
        note_answer(run, &run.parser.answer)
    elif run.target.kind == ANY_RESP and (code == WIRE_DONE or code == WIRE_ERROR):
        note_resp(run, &run.parser.resp)
    elif run.target.kind == ANY_PG and code != WIRE_BODY and code != WIRE_MORE:
        note_pg(run, &run.parser.pg)
    elif run.target.kind == ANY_IDS and code == WIRE_EVENT:
        note(run, <uint64_t> run.parser.ids.id)


cdef void note_http1(Run* run, Http1Parser* http1, int code) noexcept nogil:
    if code == WIRE_HEAD:
        note(run, 1000 + http1.status * 16 + http1.content_kind)
        note(run, http1.keep_alive * 7 + <uint64_t> http1.retry_after_s)
    elif code == WIRE_ERROR:
        note(run, 600 + http1.error)


cdef void note_answer(Run* run, AnswerReader* answer) noexcept nogil:
    note(run, 2000 + answer.event_has_content + 2 * answer.has_error + 4 * answer.is_done + 8 * answer.is_refusal
         + 16 * answer.context_length_exceeded + 32 * answer.finish_reason)
    note(run, <uint64_t> answer.prompt_tokens)
    note(run, <uint64_t> answer.output_tokens)
    note(run, <uint64_t> answer.server_total_ns)
    note(run, <uint64_t> answer.server_load_ns)
    note(run, <uint64_t> answer.server_prompt_eval_ns)
    note(run, <uint64_t> answer.server_eval_ns)
    note(run, answer.error_reason)
    note_error(run, answer.error, answer.error_code)


cdef void note_resp(Run* run, RespParser* resp) noexcept nogil:
    note(run, 3000 + resp.kind + 256 * resp.is_null + 512 * resp.is_error + 1024 * resp.error_reason)
    note(run, <uint64_t> resp.integer)
    note(run, <uint64_t> resp.n_items)
    if resp.is_error and not resp.error_reason:
        note_error(run, resp.error, resp.error_code)


cdef void note_pg(Run* run, PgParser* pg) noexcept nogil:
    note(run, 4000 + pg.transaction + 256 * pg.has_error + 512 * pg.is_fatal + 1024 * pg.has_null)
    note(run, pg.error_reason)
    note(run, <uint64_t> pg.n_rows)
    note(run, <uint64_t> pg.n_affected)
    note(run, <uint64_t> pg.row_id)
    if pg.has_error:
        note_error(run, pg.error, pg.error_code)


cdef int step(Run* run, const uint8_t* at, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Feed once, and note what was said."""
    cdef Span span
    cdef int code
    span.n_bytes = 0
    code = any_feed(&run.parser, run.target.kind, at, n_bytes, n_used, &span)
    note_code(run, code)
    if code == WIRE_BODY:
        if span.n_bytes == 0 or span.n_bytes > 1 and (span.at < at or span.at + span.n_bytes > at + n_bytes):
            run.broken = BROKEN_SPAN
            return WIRE_MORE
        note_bytes(run, span.at, span.n_bytes)
    return code


cdef bint goes_on(const Run* run, int code) noexcept nogil:
    """Whether the rest is to be fed at once. Replies and answers of databases follow each other."""
    if code == WIRE_DONE:
        return run.target.kind == ANY_RESP or run.target.kind == ANY_PG
    return code == WIRE_EVENT or code == WIRE_BODY or code == WIRE_HEAD


cdef void feed(Run* run, const uint8_t* whole, size_t n_bytes) noexcept nogil:
    """Feed one read, from a block in which nothing lies behind it."""
    cdef uint8_t* read = <uint8_t*> malloc(n_bytes)
    cdef size_t n_done = 0
    cdef size_t n_used = 0
    cdef size_t n_left = 2 * n_bytes + 8
    cdef int code = WIRE_EVENT
    if n_bytes:
        memcpy(read, whole, n_bytes)
    while goes_on(run, code) and not run.broken:
        code = step(run, read + n_done, n_bytes - n_done, &n_used)
        if n_used > n_bytes - n_done:
            run.broken = BROKEN_USED
            break
        n_done += n_used
        n_left -= 1
        if n_left == 0:
            run.broken = BROKEN_ENDLESS
    if code == WIRE_MORE and n_done != n_bytes and not run.broken:
        run.broken = BROKEN_LEFT
    if code == WIRE_DONE:
        note(run, 800)
    run.is_over = code == WIRE_DONE or code == WIRE_ERROR
    free(read)


cdef void finish(Run* run) noexcept nogil:
    """Nothing more comes."""
    if run.target.kind == ANY_HTTP1:
        note(run, 900 + (http1_eof(&run.parser.http1) == WIRE_DONE))
        note(run, run.parser.http1.error)
    elif run.target.kind == ANY_SSE:
        note(run, 902 + run.parser.sse.has_data)
        note(run, run.parser.sse.error)
    elif run.target.kind == ANY_ANSWER:
        if not run.is_over:
            note(run, 910 + answer_finish(&run.parser.answer))
        note_answer(run, &run.parser.answer)
    elif run.target.kind == ANY_PG:
        note_pg(run, &run.parser.pg)
    elif run.target.kind == ANY_SEARCH:
        note(run, <uint64_t> run.parser.search.n_found)
    elif run.target.kind == ANY_VALUE:
        note(run, 920 + value_finish(&run.parser.value, b"0123abcd"))
        note(run, <uint64_t> run.parser.value.key)
        note(run, run.parser.value.version)
        note(run, <uint64_t> run.parser.value.n_bytes)


cdef Run whole_run(const Input* subject, Target target, size_t longest_read, uint64_t seed) noexcept nogil:
    """Feed it in reads of 0 to longest_read bytes; longest_read 0: in one."""
    cdef Run run
    cdef size_t n_done = 0
    cdef size_t n_read = subject.n_bytes
    start(&run, target)
    while n_done < subject.n_bytes and not run.is_over and not run.broken:
        if longest_read == 1:
            n_read = 1
        elif longest_read:
            n_read = min(<size_t> (next_random(&seed) % (longest_read + 1)), subject.n_bytes - n_done)
        feed(&run, subject.at + n_done, n_read)
        n_done += n_read
    finish(&run)
    return run


cdef int check(const Input* subject, Target target) noexcept nogil:
    """Return 0, or Broken."""
    cdef Run expected = whole_run(subject, target, 0, 1)
    cdef Run run
    cdef size_t longest_read = 1
    if expected.broken:
        return expected.broken
    while longest_read < 256:
        run = whole_run(subject, target, longest_read, subject.random)
        if run.broken:
            return run.broken
        if run.said != expected.said:
            return BROKEN_CUT
        longest_read *= 5
    return 0


def try_mutants(bytes origin, list words, str name, uint64_t seed, int n_mutants):
    """Damage the origin in so many ways and check each. Returns None, or the input that breaks the invariant."""
    cdef Input subject
    cdef Target target
    cdef const uint8_t* at = origin
    cdef const uint8_t* word
    cdef int n_left = n_mutants
    cdef int n_hurts
    assert len(origin) <= INPUT_BYTES_MAX
    target.kind, target.option = KINDS[name]
    subject.random = seed | 1
    while n_left:
        memcpy(subject.at, at, len(origin))
        subject.n_bytes = len(origin)
        n_hurts = next_random(&subject.random) % 6
        while n_hurts:
            chosen = words[next_random(&subject.random) % <uint64_t> len(words)]
            word = chosen
            mutate(&subject, word, len(chosen))
            n_hurts -= 1
        if check(&subject, target):
            return subject.at[:subject.n_bytes]
        n_left -= 1
    return None
