"""The encoded requests of a run, as loadgen/plan/model.py lays them out: PAYLOAD_DTYPE, SLOT_DTYPE, Pool. A test compares the two."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    SLOT_BYTES = 28          # of an ID slot
    MAX_VALUES = 4
    MAX_SLOTS = 16
    NO_KEY = -1
    FIRST_VERSION = 1
    TAG_BYTES = 8            # of a stamp

cdef enum SlotKind:
    SLOT_ID = 0
    SLOT_INDEX = 1
    SLOT_UUID = 2
    SLOT_VALUE = 3
    SLOT_STAMP = 4

cdef enum Check:
    CHECK_NONE = 0
    CHECK_READ = 1
    CHECK_WRITE = 2
    CHECK_DELETE = 3
    CHECK_CONTAINS = 4
    CHECK_COUNT = 5
    CHECK_IDS = 6

cdef struct Slot:
    int32_t at               # byte of the request
    uint8_t kind
    uint8_t width
    uint8_t value            # which of the drawn values
    uint8_t unused

cdef struct Payload:
    int64_t raw_from
    int64_t raw_bytes
    int64_t body_from        # in bodies: sent at body_at of raw
    int64_t body_bytes       # 0: none
    int64_t key              # NO_KEY: the first drawn value
    uint32_t crc             # register of the value up to its stamp
    int32_t body_at
    int32_t slot_from
    int32_t n_slots
    int32_t step_from
    int32_t n_steps          # places where the server is waited for: one less than steps
    int32_t needle_from
    int32_t needle_bytes
    int32_t neighbour_from
    int32_t n_neighbours
    uint16_t expect_status   # 0: any success
    uint8_t operation
    uint8_t check
    uint8_t expects_no_body
    uint8_t[3] unused

cdef struct Pool:
    const Payload* payloads
    const Slot* slots
    const int32_t* steps
    const uint8_t* needles
    const int64_t* neighbours
    const uint8_t* bodies
    int64_t raw              # const uint8_t*; exchanged while the run goes on, where requests are signed anew
