"""CRC-32C, in hardware where there is any. No socket, clock or malloc.

A register is fed from 0xFFFFFFFF; what is written down is its complement. Source: RFC 3720, section 12.1 and B.4;
slicing by eight: Kounavis and Berry (2005); three streams at once, joined by the operator that feeds zeros: Adler,
crc32c.c (2013).
"""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    CRC32C_LONG_BYTES = 8192   # of each of three streams; see CRC32C_LONG below
    CRC32C_SHORT_BYTES = 256

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    #define CRC32C_LONG 8192
    #define CRC32C_SHORT 256
    #if defined(__x86_64__)
    #define CRC32C_HARDWARE 1
    #include <cpuid.h>
    #elif defined(__aarch64__) && defined(__linux__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define CRC32C_HARDWARE 1
    #include <sys/auxv.h>
    #endif

    static uint32_t crc32c_bytes[8][256];   /* crc32c_bytes[k][b]: the byte b and then k zeros */

    static uint32_t crc32c_software(uint32_t crc, const uint8_t *at, size_t n_bytes)
    {
        for (; n_bytes >= 8; at += 8, n_bytes -= 8) {
            uint32_t low = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
            low ^= crc;
            crc = crc32c_bytes[7][low & 255] ^ crc32c_bytes[6][low >> 8 & 255] ^ crc32c_bytes[5][low >> 16 & 255]
                ^ crc32c_bytes[4][low >> 24] ^ crc32c_bytes[3][at[4]] ^ crc32c_bytes[2][at[5]]
                ^ crc32c_bytes[1][at[6]] ^ crc32c_bytes[0][at[7]];
        }
        for (; n_bytes; at++, n_bytes--)
            crc = crc >> 8 ^ crc32c_bytes[0][(crc ^ at[0]) & 255];
        return crc;
    }

    static uint32_t (*crc32c_chosen)(uint32_t, const uint8_t *, size_t) = crc32c_software;

    #ifdef CRC32C_HARDWARE
    static uint32_t crc32c_long[4][256];    /* a byte of the register and then CRC32C_LONG zeros */
    static uint32_t crc32c_short[4][256];

    /* In assembly: compilers disagree on which target a function must name for the instructions. */
    #if defined(__x86_64__)
    #define CRC32C_BYTE(crc, byte) __asm__("crc32b %1, %0" : "+r"(crc) : "q"((uint8_t)(byte)))
    #define CRC32C_WORD(crc, word) __asm__("crc32q %1, %q0" : "+r"(crc) : "r"(word))
    #else
    #define CRC32C_BYTE(crc, byte) \\
        __asm__(".arch_extension crc\\n\\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)(byte)))
    #define CRC32C_WORD(crc, word) __asm__(".arch_extension crc\\n\\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word))
    #endif

    static inline uint64_t crc32c_load(const uint8_t *at)
    {
        uint64_t word;
        memcpy(&word, at, 8);
        return word;
    }

    static inline uint32_t crc32c_join(uint32_t table[4][256], uint32_t crc)
    {
        return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24];
    }

    /* The instruction takes a turn each cycle, its result three: three streams keep it busy. */
    static inline uint32_t crc32c_three(
        uint32_t crc, const uint8_t *at, size_t n_each, uint32_t zeros[4][256])
    {
        uint32_t second = 0, third = 0;
        const uint8_t *end = at + n_each;
        for (; at < end; at += 8) {
            uint64_t first_word = crc32c_load(at);
            uint64_t second_word = crc32c_load(at + n_each);
            uint64_t third_word = crc32c_load(at + 2 * n_each);
            CRC32C_WORD(crc, first_word);
            CRC32C_WORD(second, second_word);
            CRC32C_WORD(third, third_word);
        }
        return crc32c_join(zeros, crc32c_join(zeros, crc) ^ second) ^ third;
    }

    static uint32_t crc32c_hardware(uint32_t crc, const uint8_t *at, size_t n_bytes)
    {
        for (; n_bytes >= 3 * CRC32C_LONG; at += 3 * CRC32C_LONG, n_bytes -= 3 * CRC32C_LONG)
            crc = crc32c_three(crc, at, CRC32C_LONG, crc32c_long);
        for (; n_bytes >= 3 * CRC32C_SHORT; at += 3 * CRC32C_SHORT, n_bytes -= 3 * CRC32C_SHORT)
            crc = crc32c_three(crc, at, CRC32C_SHORT, crc32c_short);
        for (; n_bytes >= 8; at += 8, n_bytes -= 8) {
            uint64_t word = crc32c_load(at);
            CRC32C_WORD(crc, word);
        }
        for (; n_bytes; at++, n_bytes--)
            CRC32C_BYTE(crc, at[0]);
        return crc;
    }

    static int crc32c_is_in_hardware(void)
    {
    #if defined(__x86_64__)
        unsigned int a, b, features, d;
        return __get_cpuid(1, &a, &b, &features, &d) && (features & bit_SSE4_2) != 0;
    #else
        return (getauxval(AT_HWCAP) >> 7 & 1) != 0;   /* HWCAP_CRC32 */
    #endif
    }

    static void crc32c_zeros(uint32_t table[4][256], size_t n_zeros)
    {
        static const uint8_t zeros[CRC32C_SHORT];
        for (int byte = 0; byte < 4; byte++)
            for (uint32_t value = 0; value < 256; value++) {
                uint32_t crc = value << 8 * byte;
                for (size_t n = 0; n < n_zeros; n += CRC32C_SHORT)
                    crc = crc32c_hardware(crc, zeros, CRC32C_SHORT);
                table[byte][value] = crc;
            }
    }
    #endif

    /* When the module is loaded, before anything can call. */
    static __attribute__((constructor)) void crc32c_begin(void)
    {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = byte;
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
            crc32c_bytes[0][byte] = crc;
        }
        for (int k = 1; k < 8; k++)
            for (int byte = 0; byte < 256; byte++)
                crc32c_bytes[k][byte] = crc32c_software(crc32c_bytes[k - 1][byte], (const uint8_t *)"", 1);
    #ifdef CRC32C_HARDWARE
        if (crc32c_is_in_hardware()) {
            crc32c_zeros(crc32c_short, CRC32C_SHORT);
            crc32c_zeros(crc32c_long, CRC32C_LONG);
            crc32c_chosen = crc32c_hardware;
        }
    #endif
    }
    """
    uint32_t crc32c_software(uint32_t crc, const uint8_t* at, size_t n_bytes) noexcept nogil
    uint32_t crc32c_chosen(uint32_t crc, const uint8_t* at, size_t n_bytes) noexcept nogil

cdef inline uint32_t crc32c_feed(uint32_t crc, const uint8_t* data, size_t n_bytes) noexcept nogil:
    """The register after those bytes. Neither complemented before nor after."""
    return crc32c_chosen(crc, data, n_bytes)
