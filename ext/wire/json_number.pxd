"""A JSON number as it comes, as a whole number. No socket, clock or malloc.

18 digits count from the first that is not zero; further ones only move the point. Source: RFC 8259 section 6.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from wire.codes cimport WIRE_DONE, WIRE_ERROR, WIRE_MORE

cdef enum:
    NUMBER_DIGITS = 18       # fit 64 bits whatever they are
    NUMBER_SCALE = 1000000   # a power of ten beyond it is this one
    NUMBER_MAX = 9223372036854775807

cdef enum JsonNumberPart:
    NUMBER_SIGN              # a digit must come
    NUMBER_ZERO              # no further digit may come before the point
    NUMBER_WHOLE
    NUMBER_POINT             # a digit must come
    NUMBER_FRACTION
    NUMBER_E                 # a sign or a digit must come
    NUMBER_E_SIGN            # a digit must come
    NUMBER_EXPONENT

cdef struct JsonNumber:
    uint64_t digits
    int32_t scale            # power of ten of the digits, without the exponent
    int32_t exponent
    uint8_t n_digits
    uint8_t part             # JsonNumberPart
    uint8_t is_negative
    uint8_t has_negative_exponent

cdef inline void number_start(JsonNumber* number, uint8_t byte) noexcept nogil:
    """Begin with the first byte: a minus or a digit."""
    number.digits = 0
    number.scale = number.exponent = 0
    number.n_digits = 0
    number.is_negative = byte == c"-"
    number.has_negative_exponent = 0
    number.part = NUMBER_SIGN if byte == c"-" else NUMBER_ZERO if byte == c"0" else NUMBER_WHOLE
    if number.part == NUMBER_WHOLE:
        _digit(number, byte)

cdef inline int number_feed(JsonNumber* number, uint8_t byte) noexcept nogil:
    """Return WIRE_MORE (eaten), WIRE_DONE (complete, and the byte is none of it) or WIRE_ERROR."""
    if c"0" <= byte <= c"9":
        if number.part == NUMBER_ZERO:
            return WIRE_ERROR
        _digit_of_part(number, byte)
    elif byte == c"." and (number.part == NUMBER_ZERO or number.part == NUMBER_WHOLE):
        number.part = NUMBER_POINT
    elif (byte | 32) == c"e" and number_is_complete(number) and number.part != NUMBER_EXPONENT:
        number.part = NUMBER_E
    elif (byte == c"-" or byte == c"+") and number.part == NUMBER_E:
        number.part = NUMBER_E_SIGN
        number.has_negative_exponent = byte == c"-"
    else:
        return WIRE_DONE if number_is_complete(number) else WIRE_ERROR
    return WIRE_MORE

cdef inline bint number_is_complete(const JsonNumber* number) noexcept nogil:
    """Whether the number may end here."""
    return (number.part == NUMBER_ZERO or number.part == NUMBER_WHOLE or number.part == NUMBER_FRACTION
            or number.part == NUMBER_EXPONENT)

cdef inline const uint8_t* number_skip_digits(
    const JsonNumber* number, const uint8_t* at, const uint8_t* end,
) noexcept nogil:
    """Pass over digits that change nothing but the value, for a number whose value does not matter."""
    if number.part == NUMBER_WHOLE or number.part == NUMBER_FRACTION or number.part == NUMBER_EXPONENT:
        while at < end and c"0" <= at[0] <= c"9":
            at += 1
    return at

cdef inline void _digit_of_part(JsonNumber* number, uint8_t byte) noexcept nogil:
    if number.part == NUMBER_WHOLE:
        _digit(number, byte)
    elif number.part == NUMBER_SIGN:
        number.part = NUMBER_ZERO if byte == c"0" else NUMBER_WHOLE
        _digit(number, byte)
    elif number.part <= NUMBER_FRACTION:
        number.part = NUMBER_FRACTION
        _digit(number, byte)
        if number.scale > -NUMBER_SCALE:
            number.scale -= 1
    else:
        number.part = NUMBER_EXPONENT
        if number.exponent < NUMBER_SCALE:
            number.exponent = number.exponent * 10 + (byte - c"0")

cdef inline void _digit(JsonNumber* number, uint8_t byte) noexcept nogil:
    if number.n_digits == NUMBER_DIGITS:
        if number.scale < NUMBER_SCALE:
            number.scale += 1
        return
    number.digits = number.digits * 10 + (byte - c"0")
    number.n_digits += number.digits != 0

cdef inline int64_t number_value(const JsonNumber* number) noexcept nogil:
    """The number towards zero; NUMBER_MAX or its negative where it is larger."""
    cdef uint64_t value = number.digits
    cdef int32_t scale = number.scale + (-number.exponent if number.has_negative_exponent else number.exponent)
    while scale < 0 and value:
        value //= 10
        scale += 1
    while scale > 0 and value and value <= <uint64_t> NUMBER_MAX // 10:
        value *= 10
        scale -= 1
    if scale > 0 and value:
        value = NUMBER_MAX
    return -<int64_t> value if number.is_negative else <int64_t> value
