"""What every parser returns, and why one gives up. No socket, clock or malloc.

A parser eats bytes as they come and keeps none of them: it may be cut anywhere, and no length makes memory grow.
"""
from libc.stdint cimport uint8_t

cdef enum WireCode:
    WIRE_ERROR = -1   # the parser is broken for good; its error field says why
    WIRE_MORE = 0     # everything eaten, the unit is not complete
    WIRE_EVENT = 1    # one event, line or field is complete
    WIRE_HEAD = 2     # the head of the response is complete
    WIRE_BODY = 3     # a span of the body
    WIRE_DONE = 4     # the whole response or document is complete

cdef struct Span:
    const uint8_t* at   # inside the bytes that were fed, or a constant
    size_t n_bytes

cdef enum WireReason:
    REASON_NONE = 0
    REASON_STATUS_LINE = 1
    REASON_FIELD_NAME = 2
    REASON_FIELD_VALUE = 3
    REASON_FIELD_FOLDED = 4
    REASON_BARE_CR = 5
    REASON_HEAD_TOO_LONG = 6
    REASON_LINE_TOO_LONG = 7
    REASON_CONTENT_LENGTH = 8
    REASON_TRANSFER_CODING = 9
    REASON_CONTENT_CODING = 10
    REASON_UPGRADE = 11
    REASON_CHUNK_SIZE = 12
    REASON_CHUNK_EXTENSION = 13
    REASON_CHUNK_END = 14
    REASON_CUT_HEAD = 15
    REASON_CUT_BODY = 16
    REASON_SSE_LINE_TOO_LONG = 17
    REASON_SSE_NOT_JSON = 18
    REASON_NDJSON_LINE_TOO_LONG = 19
    REASON_JSON = 20
    REASON_JSON_STRING = 21
    REASON_JSON_NUMBER = 22
    REASON_JSON_DEPTH = 23
    REASON_JSON_TRAILING = 24
    REASON_JSON_CUT = 25
    REASON_SSE_EVENT_TOO_LONG = 26
    REASON_DOCUMENT_TOO_LONG = 27
    REASON_RESP_TYPE = 28
    REASON_RESP_NUMBER = 29
    REASON_RESP_LINE = 30
    REASON_RESP_LINE_TOO_LONG = 31
    REASON_RESP_STRING_TOO_LONG = 32
    REASON_RESP_STRING_END = 33
    REASON_RESP_TOO_MANY = 34
    REASON_RESP_DEPTH = 35
    REASON_PG_TYPE = 36
    REASON_PG_LENGTH = 37
    REASON_PG_TOO_LONG = 38
    REASON_PG_ROW = 39
    REASON_PG_STATUS = 40
    REASON_PG_COPY = 41
    N_REASONS = 42

cdef extern from *:
    """
    static const char *const loadgen_wire_reasons[] = {
        "",
        "not an HTTP/1 status line",
        "header name is not a token followed by a colon",
        "header value holds a control character",
        "header line is folded",
        "carriage return without a line feed",
        "header longer than 64 KiB",
        "header line longer than 16 KiB",
        "Content-Length is not one length",
        "Transfer-Encoding is not chunked",
        "body is compressed though that was not asked for",
        "server switched to another protocol",
        "chunk size is not a hexadecimal number",
        "chunk extension is malformed or longer than 4 KiB",
        "chunk does not end where its size says",
        "connection closed before the header ended",
        "connection closed before the body ended",
        "event line longer than 16 MiB",
        "event is neither a JSON object nor [DONE]",
        "line longer than 16 MiB",
        "not a JSON object",
        "JSON string holds a control character or a bad escape",
        "JSON number is malformed",
        "JSON nested deeper than 64",
        "JSON document is followed by something else",
        "JSON document is cut off",
        "event longer than 16 MiB",
        "JSON document longer than 1 GiB",
        "reply begins with a byte that is no type of RESP",
        "RESP number or length is malformed",
        "RESP line holds a bare line feed or carriage return",
        "RESP line longer than 64 KiB",
        "RESP string longer than 512 MiB",
        "RESP string does not end where its length says",
        "RESP aggregate of 2^30 elements or more",
        "RESP nested deeper than 32",
        "PostgreSQL message of a type that is not known",
        "PostgreSQL message of an impossible length",
        "PostgreSQL message longer than 1 GiB",
        "PostgreSQL row does not fit its message",
        "PostgreSQL transaction status is none of I, T and E",
        "server began a COPY, which is not supported",
    };
    """
    const char** loadgen_wire_reasons

cdef inline const char* wire_reason(int reason) noexcept nogil:
    """A short English text for a WireReason, at most 60 bytes; empty for REASON_NONE and for what is none."""
    if reason <= REASON_NONE or reason >= N_REASONS:
        return b""
    return loadgen_wire_reasons[reason]
