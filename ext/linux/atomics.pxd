"""Loads and stores that another thread sees in order (GCC and Clang builtins). Declarations only."""
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    static inline int64_t loadgen_load(const int64_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void loadgen_store(int64_t* at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    static inline int loadgen_swap(int64_t* at, int64_t from, int64_t to) {
        return __atomic_compare_exchange_n(at, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    """
    int64_t atomic_load "loadgen_load"(const int64_t* at) noexcept nogil
    void atomic_store "loadgen_store"(int64_t* at, int64_t value) noexcept nogil
    bint atomic_swap "loadgen_swap"(int64_t* at, int64_t old, int64_t new) noexcept nogil
