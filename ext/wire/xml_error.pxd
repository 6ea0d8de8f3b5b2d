"""The code and the message in an XML error such as those of S3. No socket, clock or malloc.

The first text of an element Code and the first of one Message count, wherever they stand; nothing else is looked at.
Sources: the Amazon S3 API reference, "Error responses"; XML 1.0, sections 4.1 and 4.6.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

from wire.error_code cimport error_code_feed, error_code_start
from wire.error_text cimport error_text_feed, error_text_start
from wire.json_facts cimport CODE_ROOT, RANK_MESSAGE, RANK_ROOT_CODE, JsonFacts

cdef enum:
    XML_NAME_BYTES = 7       # of the longest name that matters
    XML_REFERENCE_BYTES = 6  # of the longest reference that is read, without "&" and ";"

cdef enum XmlState:
    XML_START                # nothing but a byte order mark and blanks has come
    XML_TEXT
    XML_NAME                 # of a tag
    XML_TAG                  # the rest of it
    XML_REFERENCE            # after an ampersand
    XML_NOT                  # the body is no XML

cdef enum XmlElement:
    XML_OTHER
    XML_CODE
    XML_MESSAGE

cdef struct XmlError:
    uint8_t state            # XmlState
    uint8_t element          # XmlElement whose text is being read
    uint8_t has_code
    uint8_t has_message
    uint8_t after_slash      # in a tag: if it ends now the element is empty
    uint8_t n_name           # bytes of the name; XML_NAME_BYTES + 1: it is longer
    uint8_t n_reference      # XML_REFERENCE_BYTES + 1 likewise
    uint8_t[7] name
    uint8_t[6] reference

cdef inline void xml_error_reset(XmlError* xml) noexcept nogil:
    xml.state = XML_START
    xml.element = XML_OTHER
    xml.has_code = xml.has_message = 0

cdef inline void xml_error_feed(
    XmlError* xml, JsonFacts* facts, const uint8_t* data, size_t n_bytes,
) noexcept nogil:
    """Eat all. The error's text and code in facts are set, as if JSON had named them."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    while at < end:
        if xml.state == XML_TEXT:
            at = _text(xml, facts, at, end)
        elif xml.state == XML_NAME:
            _name_byte(xml, at[0])
            at += 1
        elif xml.state == XML_TAG:
            _tag_byte(xml, at[0])
            at += 1
        elif xml.state == XML_REFERENCE:
            _reference_byte(xml, facts, at[0])
            at += 1
        elif xml.state == XML_START:
            _first_byte(xml, at[0])
            at += 1
        else:
            return

cdef inline void _first_byte(XmlError* xml, uint8_t byte) noexcept nogil:
    if byte == c"<":
        _tag_begins(xml)
    elif byte > c" " and byte != 0xEF and byte != 0xBB and byte != 0xBF:
        xml.state = XML_NOT

cdef inline void _tag_begins(XmlError* xml) noexcept nogil:
    xml.state = XML_NAME
    xml.element = XML_OTHER
    xml.n_name = 0

cdef inline void _name_byte(XmlError* xml, uint8_t byte) noexcept nogil:
    if byte > c" " and byte != c">" and (byte != c"/" or xml.n_name == 0):
        if xml.n_name < XML_NAME_BYTES:
            xml.name[xml.n_name] = byte
        xml.n_name = min(xml.n_name + 1, XML_NAME_BYTES + 1)
        return
    if xml.n_name == 4 and memcmp(xml.name, b"Code", 4) == 0 and not xml.has_code:
        xml.element = XML_CODE
    elif xml.n_name == 7 and memcmp(xml.name, b"Message", 7) == 0 and not xml.has_message:
        xml.element = XML_MESSAGE
    xml.state = XML_TAG
    xml.after_slash = 0
    _tag_byte(xml, byte)

cdef inline void _tag_byte(XmlError* xml, uint8_t byte) noexcept nogil:
    if byte == c">":
        xml.state = XML_TEXT
        if xml.after_slash:
            xml.element = XML_OTHER
    xml.after_slash = byte == c"/"

cdef inline const uint8_t* _text(
    XmlError* xml, JsonFacts* facts, const uint8_t* at, const uint8_t* end,
) noexcept nogil:
    """Eat text up to the next tag, a reference in a text that matters, or the end of what has come."""
    cdef const uint8_t* stop = <const uint8_t*> memchr(at, c"<", end - at)
    cdef const uint8_t* ampersand
    if stop == NULL:
        stop = end
    if xml.element != XML_OTHER:
        ampersand = <const uint8_t*> memchr(at, c"&", stop - at)
        if ampersand:
            stop = ampersand
        _take(xml, facts, at, stop)
    if stop == end:
        return end
    if stop[0] == c"<":
        _tag_begins(xml)
    else:
        xml.state = XML_REFERENCE
        xml.n_reference = 0
    return stop + 1

cdef inline void _take(XmlError* xml, JsonFacts* facts, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Some text of a code or a message. Blanks before it are none."""
    if not (xml.has_code if xml.element == XML_CODE else xml.has_message):
        while at < end and at[0] <= c" ":
            at += 1
        if at < end:
            _begin(xml, facts)
    if at == end:
        return
    error_text_feed(&facts.error, at, end - at)
    if xml.element == XML_CODE:
        error_code_feed(&facts.code, at, end - at)

cdef inline void _begin(XmlError* xml, JsonFacts* facts) noexcept nogil:
    if xml.element == XML_CODE:
        xml.has_code = 1
        error_text_start(&facts.error, RANK_ROOT_CODE)
        error_code_start(&facts.code, CODE_ROOT)
    else:
        xml.has_message = 1
        error_text_start(&facts.error, RANK_MESSAGE)

cdef inline void _reference_byte(XmlError* xml, JsonFacts* facts, uint8_t byte) noexcept nogil:
    cdef uint8_t character
    if byte == c"<":
        _tag_begins(xml)
    elif byte == c";":
        character = _character(xml)
        xml.state = XML_TEXT
        _take(xml, facts, &character, &character + 1)
    else:
        if xml.n_reference < XML_REFERENCE_BYTES:
            xml.reference[xml.n_reference] = byte
        xml.n_reference = min(xml.n_reference + 1, XML_REFERENCE_BYTES + 1)

cdef inline bint _is_reference(const XmlError* xml, const char* name, uint8_t n_bytes) noexcept nogil:
    return xml.n_reference == n_bytes and memcmp(xml.reference, name, n_bytes) == 0

cdef inline uint8_t _character(const XmlError* xml) noexcept nogil:
    """What the reference stands for, if it is ASCII; else a question mark."""
    if _is_reference(xml, b"amp", 3):
        return c"&"
    if _is_reference(xml, b"lt", 2):
        return c"<"
    if _is_reference(xml, b"gt", 2):
        return c">"
    if _is_reference(xml, b"quot", 4):
        return c'"'
    if _is_reference(xml, b"apos", 4):
        return c"'"
    return _numbered(xml)

cdef inline uint8_t _numbered(const XmlError* xml) noexcept nogil:
    """Of "#39" or "#x27"."""
    cdef uint8_t base = 16 if xml.n_reference > 1 and xml.reference[1] == c"x" else 10
    cdef uint8_t at = 2 if base == 16 else 1
    cdef uint8_t digit
    cdef int value = 0
    if xml.n_reference <= at or xml.n_reference > XML_REFERENCE_BYTES or xml.reference[0] != c"#":
        return c"?"
    while at < xml.n_reference:
        digit = xml.reference[at] - c"0"
        if digit > 9:
            digit = (xml.reference[at] | 32) - c"a" + 10
            if digit < 10 or digit >= base:
                return c"?"
        value = value * base + digit
        at += 1
    return <uint8_t> value if 0 < value < 0x80 else c"?"
