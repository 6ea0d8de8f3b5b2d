# Invariant: a parser reads only bytes it was fed, eats all of them or says why not, comes to an end, and says the same
# however its input is cut.
"""The wire parsers under mutated input, to be built with AddressSanitizer. Every read is a heap block of its own."""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from mutation cimport INPUT_BYTES_MAX, Input, mutate, next_random
from wire.answer cimport (FRAMING_DOCUMENT, FRAMING_ERROR, FRAMING_NDJSON, FRAMING_OPAQUE, FRAMING_SSE, AnswerReader,
                          answer_feed, answer_finish, answer_reset)
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_HEAD, WIRE_MORE, Span
from wire.error_text cimport ERROR_TEXT_BYTES
from wire.http1 cimport Http1Parser, http1_eof, http1_feed, http1_reset
from wire.sse cimport SseParser, sse_feed, sse_reset

TARGETS = ("http1", "head", "sse", "answer_sse", "answer_ndjson", "answer_document", "answer_opaque", "answer_error")

cdef enum Target:
    TARGET_HTTP1
    TARGET_HEAD
    TARGET_SSE
    TARGET_ANSWER

cdef struct Run:
    Http1Parser http1
    SseParser sse
    AnswerReader answer
    uint64_t said            # hash of all that the parser said
    int target               # Target; above it the framing is added
    int is_over              # done or refused: nothing more is fed
    int broken               # the line of this file whose check failed


cdef void note(Run* run, uint64_t what) noexcept nogil:
    run.said = (run.said ^ what) * 1099511628211u


cdef void note_bytes(Run* run, const uint8_t* at, size_t n_bytes) noexcept nogil:
    cdef size_t i
    for i in range(n_bytes):
        note(run, 256 + at[i])


cdef void start(Run* run, int target) noexcept nogil:
    run.target = target
    run.said = 14695981039346656037u
    run.is_over = run.broken = 0
    if target <= TARGET_HEAD:
        http1_reset(&run.http1, target == TARGET_HEAD)
    elif target == TARGET_SSE:
        sse_reset(&run.sse)
    else:
        answer_reset(&run.answer, target - TARGET_ANSWER)


cdef int step(Run* run, const uint8_t* at, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Feed once, and note what was said."""
    cdef Span span
    cdef int code
    span.n_bytes = 0
    if run.target <= TARGET_HEAD:
        code = http1_feed(&run.http1, at, n_bytes, n_used, &span)
        if code == WIRE_HEAD:
            note(run, 1000 + run.http1.status * 16 + run.http1.content_kind)
            note(run, run.http1.keep_alive * 7 + <uint64_t> run.http1.retry_after_s)
        if code == WIRE_ERROR:
            note(run, 600 + run.http1.error)
    elif run.target == TARGET_SSE:
        code = sse_feed(&run.sse, at, n_bytes, n_used, &span)
        if code == WIRE_EVENT:
            note(run, 700 + run.sse.event_is_error)
    else:
        code = answer_feed(&run.answer, at, n_bytes, n_used)
        if code == WIRE_EVENT or code == WIRE_ERROR:
            note_answer(run)
    if code == WIRE_BODY:
        if span.n_bytes == 0 or span.n_bytes > 1 and (span.at < at or span.at + span.n_bytes > at + n_bytes):
            run.broken = 82
        note_bytes(run, span.at, span.n_bytes)
    return code


cdef void note_answer(Run* run) noexcept nogil:
    note(run, 2000 + run.answer.event_has_content + 2 * run.answer.has_error + 4 * run.answer.is_done
         + 8 * run.answer.is_refusal + 16 * run.answer.context_length_exceeded + 32 * run.answer.finish_reason)
    note(run, <uint64_t> run.answer.prompt_tokens)
    note(run, <uint64_t> run.answer.output_tokens)
    note(run, <uint64_t> run.answer.server_total_ns)
    note(run, <uint64_t> run.answer.server_load_ns)
    note(run, <uint64_t> run.answer.server_prompt_eval_ns)
    note(run, <uint64_t> run.answer.server_eval_ns)
    note(run, run.answer.error_code)
    note_bytes(run, <const uint8_t*> run.answer.error, ERROR_TEXT_BYTES)


cdef void feed(Run* run, const uint8_t* whole, size_t n_bytes) noexcept nogil:
    """Feed one read, from a block in which nothing lies behind it."""
    cdef uint8_t* read = <uint8_t*> malloc(n_bytes)
    cdef size_t n_done = 0
    cdef size_t n_used = 0
    cdef size_t n_left = 2 * n_bytes + 8
    cdef int code = WIRE_EVENT
    if n_bytes:
        memcpy(read, whole, n_bytes)
    while code == WIRE_EVENT or code == WIRE_BODY or code == WIRE_HEAD:
        code = step(run, read + n_done, n_bytes - n_done, &n_used)
        if n_used > n_bytes - n_done:
            run.broken = 113
            break
        n_done += n_used
        n_left -= 1
        if n_left == 0:
            run.broken = 118
            break
    if code == WIRE_MORE and n_done != n_bytes:
        run.broken = 121
    if code == WIRE_DONE:
        note(run, 800)
    run.is_over = code == WIRE_DONE or code == WIRE_ERROR
    free(read)


cdef void finish(Run* run) noexcept nogil:
    if run.target <= TARGET_HEAD:
        note(run, 900 + (http1_eof(&run.http1) == WIRE_DONE))
        note(run, run.http1.error)
    elif run.target == TARGET_SSE:
        note(run, 902 + run.sse.has_data)
        note(run, run.sse.error)
    else:
        if not run.is_over:
            note(run, 910 + answer_finish(&run.answer))
        note_answer(run)


cdef Run whole_run(const Input* subject, int target, size_t longest_read, uint64_t seed) noexcept nogil:
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


cdef int check(const Input* subject, int target) noexcept nogil:
    """Return 0, or the line of the check that failed: 1 where the cut makes a difference."""
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
            return 1
        longest_read *= 5
    return 0


def try_mutants(bytes origin, list words, str target, uint64_t seed, int n_mutants):
    """Damage the origin in so many ways and check each. Returns None, or the input that breaks the invariant."""
    cdef Input subject
    cdef int number = TARGETS.index(target)
    cdef const uint8_t* at = origin
    cdef const uint8_t* word
    cdef int n_left = n_mutants
    cdef int n_hurts
    assert len(origin) <= INPUT_BYTES_MAX
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
        if check(&subject, number):
            return subject.at[:subject.n_bytes]
        n_left -= 1
    return None
