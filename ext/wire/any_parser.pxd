"""Any of the parsers by number, for what feeds them all alike: the tests' probe and the fuzzer.

No socket, clock or malloc.
"""
from libc.stdint cimport uint8_t

from wire.answer cimport AnswerReader, answer_feed, answer_reset
from wire.codes cimport WIRE_MORE, Span
from wire.http1 cimport Http1Parser, http1_feed, http1_reset
from wire.http1_seen cimport SeenHead, http1_feed_seen
from wire.json_ids cimport IdsReader, ids_feed, ids_reset
from wire.ndjson cimport NdjsonParser, ndjson_feed, ndjson_reset
from wire.pgwire cimport PgParser, pg_feed, pg_reset
from wire.resp cimport RespParser, resp_feed, resp_reset
from wire.search cimport Search, search_feed
from wire.sse cimport SseParser, sse_feed, sse_reset
from wire.value cimport ValueReader, value_feed, value_reset

cdef enum AnyKind:
    ANY_HTTP1
    ANY_SSE
    ANY_NDJSON
    ANY_ANSWER
    ANY_RESP
    ANY_PG
    ANY_IDS
    ANY_VALUE
    ANY_SEARCH               # the caller resets it: it has a needle
    ANY_HTTP1_SEEN           # http1, after a head that its owner keeps through resets

cdef struct SeenHttp1:
    Http1Parser http1
    SeenHead seen

cdef union AnyParser:
    Http1Parser http1
    SeenHttp1 seen
    SseParser sse
    NdjsonParser ndjson
    AnswerReader answer
    RespParser resp
    PgParser pg
    IdsReader ids
    ValueReader value
    Search search

cdef inline void any_reset(AnyParser* parser, int kind, int option) noexcept nogil:
    """option: whether the request was HEAD, or the AnswerFraming."""
    if kind == ANY_HTTP1 or kind == ANY_HTTP1_SEEN:
        http1_reset(&parser.http1, option)
    elif kind == ANY_SSE:
        sse_reset(&parser.sse)
    elif kind == ANY_NDJSON:
        ndjson_reset(&parser.ndjson)
    elif kind == ANY_ANSWER:
        answer_reset(&parser.answer, option)
    elif kind == ANY_RESP:
        resp_reset(&parser.resp)
    elif kind == ANY_PG:
        pg_reset(&parser.pg)
    elif kind == ANY_IDS:
        ids_reset(&parser.ids)
    elif kind == ANY_VALUE:
        value_reset(&parser.value)

cdef inline int any_feed(
    AnyParser* parser, int kind, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    if kind == ANY_HTTP1:
        return http1_feed(&parser.http1, data, n_bytes, n_used, body)
    if kind == ANY_HTTP1_SEEN:
        return http1_feed_seen(&parser.seen.http1, &parser.seen.seen, data, n_bytes, n_used, body)
    if kind == ANY_SSE:
        return sse_feed(&parser.sse, data, n_bytes, n_used, body)
    if kind == ANY_NDJSON:
        return ndjson_feed(&parser.ndjson, data, n_bytes, n_used, body)
    if kind == ANY_ANSWER:
        return answer_feed(&parser.answer, data, n_bytes, n_used)
    if kind == ANY_RESP:
        return resp_feed(&parser.resp, data, n_bytes, n_used, body)
    if kind == ANY_PG:
        return pg_feed(&parser.pg, data, n_bytes, n_used, body)
    if kind == ANY_IDS:
        return ids_feed(&parser.ids, data, n_bytes, n_used)
    n_used[0] = n_bytes
    if kind == ANY_VALUE:
        value_feed(&parser.value, data, n_bytes)
    else:
        search_feed(&parser.search, data, n_bytes)
    return WIRE_MORE
