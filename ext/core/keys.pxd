"""Which versions of a key may still be read: loadgen/engine/contract.py, KEY_DTYPE.

A write sent while others of its key are under way may be overtaken by them, so what its acknowledgement proves is only that no value
older than all of those is right any more. A write of unknown fate may be applied at any later time: it stays under way for ever.
Nothing false is ever cried; something old may pass while writes of one key overlap.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t
from core.payload cimport FIRST_VERSION, MAX_VALUES

cdef enum Fate:
    FATE_APPLIED = 0
    FATE_REFUSED = 1         # certainly not applied
    FATE_UNKNOWN = 2

cdef struct KeyState:
    uint32_t floor           # no value older than this may be read; 0: it may never have been written
    uint32_t first_in_flight # the oldest write that was under way since there last was none
    uint32_t n_in_flight
    uint32_t latest_delete   # a missing value is right where this is at least the floor

cdef struct Keys:
    KeyState* states         # NULL: not kept
    int64_t n
    uint32_t next_version
    uint32_t version_step    # 0 in a fill

cdef struct Draw:            # what one request was drawn with, beside its record
    int32_t[4] values        # MAX_VALUES
    int64_t key
    uint32_t version         # of a write
    uint32_t floor           # of a write: what it proves once it is acknowledged; of a read: the oldest right version

cdef inline KeyState* _state(Keys* keys, const Draw* draw) noexcept nogil:
    if keys.states == NULL or draw.key < 0 or draw.key >= keys.n:
        return NULL
    return &keys.states[draw.key]

cdef inline void keys_read(Keys* keys, Draw* draw) noexcept nogil:
    """A read is about to be sent."""
    cdef KeyState* state = _state(keys, draw)
    draw.floor = 0 if state == NULL else state.floor

cdef inline void keys_write(Keys* keys, Draw* draw, bint is_delete) noexcept nogil:
    """A write or a delete is about to be sent."""
    cdef KeyState* state = _state(keys, draw)
    draw.version = keys.next_version
    keys.next_version += keys.version_step
    if state == NULL:
        return
    if state.n_in_flight == 0:
        state.first_in_flight = draw.version
    state.n_in_flight += 1
    draw.floor = state.first_in_flight
    if is_delete:
        state.latest_delete = draw.version

cdef inline void keys_settle(Keys* keys, const Draw* draw, int fate) noexcept nogil:
    """A write or a delete has ended."""
    cdef KeyState* state = _state(keys, draw)
    if state == NULL or fate == FATE_UNKNOWN:
        return
    state.n_in_flight -= 1
    if fate == FATE_APPLIED:
        state.floor = max(state.floor, draw.floor)

cdef inline bint keys_may_be_missing(Keys* keys, const Draw* draw) noexcept nogil:
    """Whether no value at all is a right answer to this read."""
    cdef KeyState* state = _state(keys, draw)
    return state == NULL or state.latest_delete >= draw.floor
