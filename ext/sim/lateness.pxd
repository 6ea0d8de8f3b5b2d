"""Counts of the tokens and of how late they were: written minus due."""
from libc.stdint cimport int64_t

from sim.state cimport N_LATENESS_BINS, Counts

cdef extern from * nogil:
    int __builtin_clzll(unsigned long long value)


cdef inline int lateness_bin(int64_t ns) noexcept nogil:
    """Eight bins an octave; bin b begins at lateness_bin_ns(b)."""
    cdef int shift
    if ns < 8:
        return <int>ns if ns > 0 else 0
    shift = 60 - __builtin_clzll(<unsigned long long>ns)
    return 8 * (shift + 1) + <int>((ns >> shift) & 7)


cdef inline int64_t lateness_bin_ns(int at) noexcept nogil:
    if at < 8:
        return at
    return (<int64_t>(8 + (at & 7))) << (at // 8 - 1)


cdef inline void note_token(Counts* counts, int64_t late_ns) noexcept nogil:
    counts.n_tokens += 1
    counts.lateness_sum_ns += late_ns
    if late_ns > counts.lateness_max_ns:
        counts.lateness_max_ns = late_ns
    counts.lateness_bins[lateness_bin(late_ns)] += 1


cdef inline int64_t lateness_at_ns(const Counts* counts, double share) noexcept nogil:
    """The lateness that `share` of the tokens do not exceed, at most an eighth too high; 0 without tokens."""
    cdef int64_t n_left = <int64_t>(share * <double>counts.n_tokens)
    cdef int at = 0
    while at < N_LATENESS_BINS - 1 and n_left >= counts.lateness_bins[at]:
        n_left -= counts.lateness_bins[at]
        at += 1
    if counts.n_tokens == 0:
        return 0
    return lateness_bin_ns(at + 1) if lateness_bin_ns(at + 1) < counts.lateness_max_ns else counts.lateness_max_ns
