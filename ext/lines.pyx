"""Records as text: the lines of requests.jsonl, formatted and written without the GIL. Which keys there are: docs/bundle.md."""
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.unistd cimport ftruncate, write

from core.json_lines cimport GAP_BYTES, LINE_BYTES, Names, Text, json_line
from core.record cimport Record

cdef enum:
    LINES_BYTES = 4194304    # the longest line of all fits: a block's gaps * GAP_BYTES + LINE_BYTES


def record_layout() -> dict:
    """{field: (offset, size)} of the native record, in bytes; loadgen/records.py must say the same."""
    cdef Record* record = NULL
    return {
        "index": (<size_t>&record.index, sizeof(record.index)),
        "planned_at_ns": (<size_t>&record.planned_at_ns, sizeof(record.planned_at_ns)),
        "sent_at_ns": (<size_t>&record.sent_at_ns, sizeof(record.sent_at_ns)),
        "first_byte_at_ns": (<size_t>&record.first_byte_at_ns, sizeof(record.first_byte_at_ns)),
        "first_token_at_ns": (<size_t>&record.first_token_at_ns, sizeof(record.first_token_at_ns)),
        "last_token_at_ns": (<size_t>&record.last_token_at_ns, sizeof(record.last_token_at_ns)),
        "done_at_ns": (<size_t>&record.done_at_ns, sizeof(record.done_at_ns)),
        "read_lag_ns": (<size_t>&record.read_lag_ns, sizeof(record.read_lag_ns)),
        "request_bytes": (<size_t>&record.request_bytes, sizeof(record.request_bytes)),
        "response_bytes": (<size_t>&record.response_bytes, sizeof(record.response_bytes)),
        "server_total_ns": (<size_t>&record.server_total_ns, sizeof(record.server_total_ns)),
        "server_load_ns": (<size_t>&record.server_load_ns, sizeof(record.server_load_ns)),
        "server_prompt_eval_ns": (<size_t>&record.server_prompt_eval_ns, sizeof(record.server_prompt_eval_ns)),
        "server_eval_ns": (<size_t>&record.server_eval_ns, sizeof(record.server_eval_ns)),
        "n_events": (<size_t>&record.n_events, sizeof(record.n_events)),
        "n_gaps": (<size_t>&record.n_gaps, sizeof(record.n_gaps)),
        "n_shared_stamps": (<size_t>&record.n_shared_stamps, sizeof(record.n_shared_stamps)),
        "prompt_tokens": (<size_t>&record.prompt_tokens, sizeof(record.prompt_tokens)),
        "output_tokens": (<size_t>&record.output_tokens, sizeof(record.output_tokens)),
        "connection": (<size_t>&record.connection, sizeof(record.connection)),
        "payload": (<size_t>&record.payload, sizeof(record.payload)),
        "n_items": (<size_t>&record.n_items, sizeof(record.n_items)),
        "n_hits": (<size_t>&record.n_hits, sizeof(record.n_hits)),
        "http_status": (<size_t>&record.http_status, sizeof(record.http_status)),
        "outcome": (<size_t>&record.outcome, sizeof(record.outcome)),
        "phase": (<size_t>&record.phase, sizeof(record.phase)),
        "operation": (<size_t>&record.operation, sizeof(record.operation)),
        "stamp": (<size_t>&record.stamp, sizeof(record.stamp)),
        "finish_reason": (<size_t>&record.finish_reason, sizeof(record.finish_reason)),
        "token_source": (<size_t>&record.token_source, sizeof(record.token_source)),
        "checked": (<size_t>&record.checked, sizeof(record.checked)),
        "error_code": (<size_t>&record.error_code, sizeof(record.error_code)),
        "error": (<size_t>&record.error, sizeof(record.error)),
    }


cdef int64_t _count_lines(const uint8_t* text, int64_t n_bytes) noexcept nogil:
    cdef int64_t n_lines = 0, i
    for i in range(n_bytes):
        n_lines += text[i] == c"\n"
    return n_lines


cdef class Lines:
    """requests.jsonl, appended to in whole lines. A write that fails leaves the file at its last whole line."""

    cdef Names names
    cdef uint8_t* buffer
    cdef list texts
    cdef readonly int error
    cdef int fd
    cdef int64_t n_good_bytes

    def __cinit__(self, int fd, int64_t n_bytes, bytes tag not None, operations, expects_tokens, codes):
        """fd: the open file, n_bytes long. codes: JSON texts {"outcomes": [...], "phases": ...}, by code."""
        cdef int i
        self.fd = fd
        self.n_good_bytes = n_bytes
        self.buffer = <uint8_t*>malloc(LINES_BYTES)
        if self.buffer == NULL:
            raise MemoryError
        self.texts = []
        memcpy(self.names.tag, <const char*>tag, len(tag))
        self.names.n_tag_bytes = <int>len(tag)
        self._name(self.names.outcomes, codes["outcomes"])
        self._name(self.names.phases, codes["phases"])
        self._name(self.names.stamps, codes["stamps"])
        self._name(self.names.finish_reasons, codes["finish_reasons"])
        self._name(self.names.token_sources, codes["token_sources"])
        self._name(self.names.operations, operations)
        for i, expects in enumerate(expects_tokens):
            self.names.expects_tokens[i] = bool(expects)

    cdef int _name(self, Text* places, texts) except -1:
        cdef bytes text
        cdef int i
        for i, text in enumerate(texts):
            self.texts.append(text)  # keeps the bytes alive
            places[i] = text
        return 0

    def __dealloc__(self):
        free(self.buffer)

    def write(self, records not None, gaps_ns not None) -> int:
        """Format a block (bytes of records, bytes of gaps) and append it.

        Returns how many of its records are in the file, in whole lines. Fewer than there are: `error` is the errno that says why.
        """
        cdef const uint8_t[::1] record_bytes = records
        cdef const uint8_t[::1] gap_bytes = gaps_ns
        cdef int64_t n_records = len(record_bytes) // <int64_t>sizeof(Record)
        cdef const Record* first
        cdef const int64_t* gaps = NULL
        if n_records == 0:
            return 0
        first = <const Record*>&record_bytes[0]
        if len(gap_bytes) > 0:
            gaps = <const int64_t*>&gap_bytes[0]
        with nogil:
            n_records = self._write(first, n_records, gaps)
        return n_records

    cdef int64_t _write(self, const Record* records, int64_t n_records, const int64_t* gaps_ns) noexcept nogil:
        cdef uint8_t* end = self.buffer
        cdef int64_t i, n_needed, n_written = 0, n_lines = 0
        for i in range(n_records):
            n_needed = LINE_BYTES + records[i].n_gaps * <int64_t>GAP_BYTES
            if end + n_needed > self.buffer + LINES_BYTES:
                n_written += self._flush(end - self.buffer, n_lines)
                if self.error != 0:
                    return n_written
                end = self.buffer
                n_lines = 0
            end = json_line(end, &records[i], gaps_ns, &self.names)
            gaps_ns += records[i].n_gaps
            n_lines += 1
        return n_written + self._flush(end - self.buffer, n_lines)

    cdef int64_t _flush(self, int64_t n_bytes, int64_t n_lines) noexcept nogil:
        """Append lines and return how many. Where that fails, set `error` and cut the file after its last whole line."""
        cdef int64_t n_written = 0
        cdef ssize_t n
        while n_written < n_bytes:
            n = write(self.fd, self.buffer + n_written, n_bytes - n_written)
            if n >= 0:
                n_written += n
            elif errno != EINTR:
                self.error = errno
                break
        if self.error != 0:
            while n_written > 0 and self.buffer[n_written - 1] != c"\n":
                n_written -= 1
            n_lines = _count_lines(self.buffer, n_written)
        self.n_good_bytes += n_written
        if self.error != 0:
            ftruncate(self.fd, self.n_good_bytes)
        return n_lines
