"""Small damage to bytes, the same for the same seed."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memmove

cdef enum:
    INPUT_BYTES_MAX = 4096

cdef struct Input:
    uint64_t random          # state of the generator; never 0
    size_t n_bytes
    uint8_t[4096] at

cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    """Marsaglia's xorshift64*."""
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return state[0] * 2685821657736338717u >> 16

cdef inline size_t below(Input* subject, size_t limit) noexcept nogil:
    """A number from 0 up to but without the limit; 0 where that is 0."""
    return <size_t> (next_random(&subject.random) % limit) if limit else 0

cdef inline void insert(Input* subject, size_t place, const uint8_t* what, size_t n_bytes) noexcept nogil:
    if subject.n_bytes + n_bytes > INPUT_BYTES_MAX:
        return
    memmove(subject.at + place + n_bytes, subject.at + place, subject.n_bytes - place)
    memcpy(subject.at + place, what, n_bytes)
    subject.n_bytes += n_bytes

cdef inline void mutate(Input* subject, const uint8_t* word, size_t word_bytes) noexcept nogil:
    """Do one kind of damage. The word is one that means something to the parsers."""
    cdef uint8_t[64] copied
    cdef size_t place = below(subject, subject.n_bytes)
    cdef size_t n_bytes = min(below(subject, 64), subject.n_bytes - place)
    cdef size_t kind = below(subject, 7)
    cdef uint8_t byte = <uint8_t> next_random(&subject.random)
    if kind <= 1:
        insert(subject, place, word, word_bytes)
    elif kind == 2:
        insert(subject, place, &byte, 1)
    elif subject.n_bytes == 0:
        return
    elif kind == 3:
        subject.at[place] ^= <uint8_t> (1 << below(subject, 8))
    elif kind == 4:
        memmove(subject.at + place, subject.at + place + n_bytes, subject.n_bytes - place - n_bytes)
        subject.n_bytes -= n_bytes
    elif kind == 5:
        memcpy(copied, subject.at + place, n_bytes)
        insert(subject, below(subject, subject.n_bytes), copied, n_bytes)
    else:
        subject.at[place] = byte
