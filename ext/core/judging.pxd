"""Was the answer right? What a request's Check asks for is followed while the answer passes, and nothing of it is kept."""
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdio cimport snprintf
from core.keys cimport keys_may_be_missing
from core.payload cimport CHECK_CONTAINS, CHECK_COUNT, CHECK_IDS, CHECK_NONE, CHECK_READ, Payload
from core.record cimport *
from core.state cimport Connection, Loop
from wire.codes cimport WIRE_EVENT
from wire.json_ids cimport ids_feed, ids_reset
from wire.search cimport search_feed, search_reset
from wire.value cimport VALUE_FOREIGN, VALUE_GOOD, value_feed, value_finish, value_reset

cdef inline const Payload* payload_of(const Loop* loop, const Connection* connection) noexcept nogil:
    return &loop.pool.payloads[connection.record.payload]

cdef inline bint judge_reads(const Loop* loop, const Connection* connection) noexcept nogil:
    """Whether the answer's body is followed."""
    cdef uint8_t check = payload_of(loop, connection).check
    return check == CHECK_READ or check >= CHECK_CONTAINS

cdef inline void judge_begin(Loop* loop, Connection* connection) noexcept nogil:
    """The body of a success begins."""
    cdef const Payload* payload = payload_of(loop, connection)
    if payload.check == CHECK_READ:
        value_reset(&connection.value)
    elif payload.check == CHECK_IDS:
        ids_reset(&connection.ids)
        connection.record.n_items = connection.record.n_hits = 0
    elif payload.check >= CHECK_CONTAINS:
        search_reset(&connection.search, loop.pool.needles + payload.needle_from, payload.needle_bytes)

cdef inline void judge_id(const Loop* loop, Connection* connection, int64_t id) noexcept nogil:
    """The answer names an id."""
    cdef const Payload* payload = payload_of(loop, connection)
    cdef const int64_t* neighbours = loop.pool.neighbours + payload.neighbour_from
    cdef int32_t i
    connection.record.n_items += 1
    for i in range(payload.n_neighbours):
        if neighbours[i] == id:
            connection.record.n_hits += 1
            return

cdef inline void _feed_ids(const Loop* loop, Connection* connection, const uint8_t* data, size_t n_bytes) noexcept nogil:
    cdef size_t n_used
    while ids_feed(&connection.ids, data, n_bytes, &n_used) == WIRE_EVENT:
        judge_id(loop, connection, connection.ids.id)
        data += n_used
        n_bytes -= n_used

cdef inline void judge_feed(const Loop* loop, Connection* connection, const uint8_t* data, size_t n_bytes) noexcept nogil:
    cdef uint8_t check = payload_of(loop, connection).check
    if check == CHECK_READ:
        value_feed(&connection.value, data, n_bytes)
    elif check == CHECK_IDS:
        _feed_ids(loop, connection, data, n_bytes)
    elif check >= CHECK_CONTAINS:
        search_feed(&connection.search, data, n_bytes)

cdef inline uint8_t _judge_value(Loop* loop, Connection* connection) noexcept nogil:
    cdef char* said = connection.record.error
    cdef int code = value_finish(&connection.value, loop.settings.value_tag)
    cdef unsigned int version = connection.value.version if code == VALUE_GOOD else 0
    connection.record.checked = 1
    if code != VALUE_GOOD and code != VALUE_FOREIGN:
        snprintf(said, ERROR_BYTES, b"value is torn: its CRC is not that of its %lld bytes", <long long>connection.value.n_bytes)
        return OUTCOME_WRONG_ANSWER
    if connection.value.key != connection.draw.key:
        snprintf(said, ERROR_BYTES, b"value of key %lld, not of %lld", <long long>connection.value.key, <long long>connection.draw.key)
        return OUTCOME_WRONG_ANSWER
    if version < connection.draw.floor:
        snprintf(said, ERROR_BYTES, b"version %u, though %u was acknowledged before", version, connection.draw.floor)
        return OUTCOME_WRONG_ANSWER
    return OUTCOME_OK

cdef inline uint8_t judge_missing(Loop* loop, Connection* connection, uint8_t otherwise) noexcept nogil:
    """The server says that there is no value. `otherwise`: the outcome where that may be."""
    connection.record.checked = 1
    if keys_may_be_missing(&loop.keys, &connection.draw):
        return otherwise
    snprintf(connection.record.error, ERROR_BYTES, b"no value, though version %u was acknowledged", connection.draw.floor)
    return OUTCOME_WRONG_ANSWER

cdef inline uint8_t judge_body(Loop* loop, Connection* connection) noexcept nogil:
    """The body of a success is complete: its outcome."""
    cdef const Payload* payload = payload_of(loop, connection)
    if payload.check == CHECK_READ:
        return _judge_value(loop, connection)
    if payload.check == CHECK_COUNT:
        connection.record.n_items = connection.search.n_found
    elif payload.check == CHECK_CONTAINS:
        connection.record.checked = 1
        if connection.search.n_found == 0:
            snprintf(
                connection.record.error, ERROR_BYTES, b"the body does not contain %.*s", <int>payload.needle_bytes,
                <const char*>loop.pool.needles + payload.needle_from,
            )
            return OUTCOME_WRONG_ANSWER
    return OUTCOME_OK
