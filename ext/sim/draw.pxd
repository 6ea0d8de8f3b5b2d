"""Seeded draws: splitmix64, and a normal from it by Box and Muller. One generator a request, so an answer's times do
not depend on what the other requests do.

Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014); Box and Muller (1958).
"""
from libc.math cimport M_PI, cos, exp, log, sin, sqrt
from libc.stdint cimport int64_t, uint64_t

cdef enum DrawKind:
    DRAW_FIXED = 0
    DRAW_LOGNORMAL = 1
    DRAW_NORMAL = 2

cdef struct Rng:
    uint64_t state
    double spare        # the second normal of the last pair
    int has_spare

cdef struct Draw:
    double mean         # fixed: the value; lognormal: mean of the logarithm
    double std          # lognormal: standard deviation of the logarithm
    double low          # what is drawn is held between low and high
    double high
    int kind


cdef inline uint64_t mix64(uint64_t value) noexcept nogil:
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)


cdef inline uint64_t rng_next(Rng* rng) noexcept nogil:
    rng.state += <uint64_t>0x9E3779B97F4A7C15
    return mix64(rng.state)


cdef inline void rng_seed(Rng* rng, uint64_t seed, uint64_t ordinal) noexcept nogil:
    """The generator of request number `ordinal`, the same whatever was drawn for the others."""
    rng.state = mix64(seed + <uint64_t>0x9E3779B97F4A7C15) ^ mix64(ordinal * <uint64_t>0xD1342543DE82EF95 + 1)
    rng.has_spare = 0


cdef inline double rng_uniform(Rng* rng) noexcept nogil:
    """In [0, 1), 53 bits."""
    return <double>(rng_next(rng) >> 11) * (1.0 / 9007199254740992.0)


cdef inline double rng_normal(Rng* rng) noexcept nogil:
    cdef double radius, angle
    if rng.has_spare:
        rng.has_spare = 0
        return rng.spare
    radius = sqrt(-2.0 * log(1.0 - rng_uniform(rng)))
    angle = 2.0 * M_PI * rng_uniform(rng)
    rng.spare = radius * sin(angle)
    rng.has_spare = 1
    return radius * cos(angle)


cdef inline double draw(const Draw* shape, Rng* rng) noexcept nogil:
    cdef double value = shape.mean
    if shape.kind == DRAW_FIXED:
        return value
    if shape.kind == DRAW_LOGNORMAL:
        value = exp(shape.mean + shape.std * rng_normal(rng))
    else:
        value = shape.mean + shape.std * rng_normal(rng)
    if value < shape.low:
        return shape.low
    return shape.high if value > shape.high else value


cdef inline int64_t draw_whole(const Draw* shape, Rng* rng) noexcept nogil:
    return <int64_t>(draw(shape, rng) + 0.5)
