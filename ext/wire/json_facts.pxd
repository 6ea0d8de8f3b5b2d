"""What a document of a language model's server, or any server's error, says: which places matter, what is kept of them.

A node is a place in the document: that of `usage` under the root, say. A child's node follows from its parent's node
and its key, so the order of keys does not matter, and the same key elsewhere is another node, most often NODE_SKIP.
Sources: OpenAI's API reference (chat completions, completions, errors), Ollama's docs/api.md, the errors of vLLM,
llama.cpp, FastAPI, Chroma and Qdrant.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp

from wire.error_code cimport ErrorCode, error_code_feed, error_code_reset, error_code_start
from wire.error_text cimport ErrorText, error_text_feed, error_text_reset, error_text_start

cdef enum FinishCode:
    """The numbers of FinishReason in core/record.pxd, which wire may not import. A test compares them."""
    FINISH_CODE_NONE = 0
    FINISH_CODE_STOP = 1
    FINISH_CODE_LENGTH = 2
    FINISH_CODE_TOOL_CALLS = 3
    FINISH_CODE_CONTENT_FILTER = 4
    FINISH_CODE_OTHER = 5

cdef enum:
    UNKNOWN = -1             # a figure that the server has not given
    COUNT_MAX = 2147483647   # a larger count is this one
    DURATION_MAX = 9223372036854775807

cdef enum JsonNode:
    NODE_SKIP = 0        # and all beneath it
    NODE_ROOT
    NODE_CHOICES
    NODE_CHOICE
    NODE_DELTA           # a choice's delta or message
    NODE_MESSAGE         # at the root: Ollama's message, or an error's text
    NODE_CONTENT         # text, or an array of parts
    NODE_PART
    NODE_CALLS
    NODE_REFUSAL
    NODE_FINISH
    NODE_USAGE
    NODE_PROMPT_TOKENS
    NODE_OUTPUT_TOKENS
    NODE_TOTAL_NS
    NODE_LOAD_NS
    NODE_PROMPT_EVAL_NS
    NODE_EVAL_NS
    NODE_DONE
    NODE_KIND            # at the root: "error" where the document is one
    NODE_ROOT_CODE
    NODE_ROOT_TYPE
    NODE_ERROR           # a text, Chroma's code beside a message, or an object
    NODE_ERROR_TEXT
    NODE_ERROR_CODE
    NODE_ERROR_TYPE
    NODE_STATUS          # at the root: Qdrant's
    NODE_STATUS_ERROR
    NODE_DETAIL          # FastAPI's: a text, or an array of objects with msg
    NODE_DETAIL_ITEM

cdef enum ErrorRank:
    RANK_BODY = 0
    RANK_ROOT_TYPE = 1
    RANK_ROOT_CODE = 2
    RANK_STATUS = 3
    RANK_DETAIL = 4
    RANK_ERROR = 5           # the error is a text itself
    RANK_MESSAGE = 6
    RANK_ERROR_TYPE = 7
    RANK_ERROR_CODE = 8
    RANK_ERROR_TEXT = 9

cdef enum CodeRank:
    CODE_NONE = 0
    CODE_ERROR = 1           # the error is a text, and there is a message beside it
    CODE_ROOT_TYPE = 2
    CODE_ERROR_TYPE = 3
    CODE_ROOT = 4
    CODE_ERROR_CODE = 5

cdef enum JsonSink:
    SINK_NONE = 0        # the string's bytes do not matter
    SINK_CONTENT = 1     # only whether there are any
    SINK_SHORT = 2       # compared with known words
    SINK_ERROR = 3       # kept as the error's text, and perhaps as its code

cdef struct JsonFacts:
    int64_t total_ns         # Ollama's durations; UNKNOWN where not given
    int64_t load_ns
    int64_t prompt_eval_ns
    int64_t eval_ns
    int32_t prompt_tokens    # UNKNOWN where not given
    int32_t output_tokens
    uint8_t finish_reason    # FinishCode
    uint8_t has_content      # of the document being read: generated text, reasoning or tool call
    uint8_t is_error_kind    # of the document being read: object is "error"
    uint8_t is_refusal
    uint8_t is_done          # Ollama's done
    uint8_t has_error
    uint8_t has_message      # at the root, a string
    uint8_t coming           # ErrorRank of the text whose first byte has not come: an empty one is none
    ErrorText error
    ErrorCode code

cdef inline void facts_reset(JsonFacts* facts) noexcept nogil:
    facts.total_ns = facts.load_ns = facts.prompt_eval_ns = facts.eval_ns = UNKNOWN
    facts.prompt_tokens = facts.output_tokens = UNKNOWN
    facts.finish_reason = FINISH_CODE_NONE
    facts.is_refusal = facts.is_done = facts.has_error = 0
    facts.has_message = facts.coming = 0
    error_text_reset(&facts.error)
    error_code_reset(&facts.code)
    facts_reset_document(facts)

cdef inline void facts_reset_document(JsonFacts* facts) noexcept nogil:
    facts.has_content = facts.is_error_kind = 0

cdef inline uint8_t node_of_key(uint8_t node, const uint8_t* key, size_t n_bytes) noexcept nogil:
    """The node of the value that an object keeps under that key."""
    if node == NODE_SKIP:
        return NODE_SKIP
    if node == NODE_ROOT:
        return _under_root(key, n_bytes)
    if node == NODE_CHOICE:
        return _under_choice(key, n_bytes)
    if node == NODE_DELTA or node == NODE_MESSAGE:
        return _under_delta(key, n_bytes)
    if node == NODE_USAGE:
        return _under_usage(key, n_bytes)
    if node == NODE_ERROR:
        return _under_error(key, n_bytes)
    if node == NODE_PART:
        if n_bytes == 4 and memcmp(key, b"text", 4) == 0:
            return NODE_CONTENT
        if n_bytes == 7 and memcmp(key, b"refusal", 7) == 0:
            return NODE_REFUSAL
    if node == NODE_STATUS and n_bytes == 5 and memcmp(key, b"error", 5) == 0:
        return NODE_STATUS_ERROR
    if node == NODE_DETAIL_ITEM and n_bytes == 3 and memcmp(key, b"msg", 3) == 0:
        return NODE_DETAIL
    return NODE_SKIP

cdef inline uint8_t node_of_element(uint8_t node) noexcept nogil:
    """The node of an array's elements."""
    if node == NODE_CHOICES:
        return NODE_CHOICE
    if node == NODE_CONTENT:
        return NODE_PART
    if node == NODE_DETAIL:
        return NODE_DETAIL_ITEM
    return NODE_SKIP

cdef inline uint8_t _under_root(const uint8_t* key, size_t n_bytes) noexcept nogil:
    if n_bytes == 4:
        return (NODE_DONE if memcmp(key, b"done", 4) == 0
                else NODE_ROOT_CODE if memcmp(key, b"code", 4) == 0
                else NODE_ROOT_TYPE if memcmp(key, b"type", 4) == 0 else NODE_SKIP)
    if n_bytes == 5:
        return (NODE_USAGE if memcmp(key, b"usage", 5) == 0
                else NODE_ERROR if memcmp(key, b"error", 5) == 0 else NODE_SKIP)
    if n_bytes == 6:
        return (NODE_KIND if memcmp(key, b"object", 6) == 0
                else NODE_STATUS if memcmp(key, b"status", 6) == 0
                else NODE_DETAIL if memcmp(key, b"detail", 6) == 0 else NODE_SKIP)
    if n_bytes == 7:
        return (NODE_CHOICES if memcmp(key, b"choices", 7) == 0
                else NODE_MESSAGE if memcmp(key, b"message", 7) == 0 else NODE_SKIP)
    if n_bytes == 8:
        return (NODE_CONTENT if memcmp(key, b"response", 8) == 0 or memcmp(key, b"thinking", 8) == 0 else NODE_SKIP)
    if n_bytes == 10:
        return NODE_OUTPUT_TOKENS if memcmp(key, b"eval_count", 10) == 0 else NODE_SKIP
    if n_bytes == 11:
        return NODE_FINISH if memcmp(key, b"done_reason", 11) == 0 else NODE_SKIP
    if n_bytes == 13:
        return (NODE_EVAL_NS if memcmp(key, b"eval_duration", 13) == 0
                else NODE_LOAD_NS if memcmp(key, b"load_duration", 13) == 0 else NODE_SKIP)
    if n_bytes == 14:
        return NODE_TOTAL_NS if memcmp(key, b"total_duration", 14) == 0 else NODE_SKIP
    if n_bytes == 17:
        return NODE_PROMPT_TOKENS if memcmp(key, b"prompt_eval_count", 17) == 0 else NODE_SKIP
    if n_bytes == 20:
        return NODE_PROMPT_EVAL_NS if memcmp(key, b"prompt_eval_duration", 20) == 0 else NODE_SKIP
    return NODE_SKIP

cdef inline uint8_t _under_choice(const uint8_t* key, size_t n_bytes) noexcept nogil:
    if n_bytes == 5 and memcmp(key, b"delta", 5) == 0:
        return NODE_DELTA
    if n_bytes == 7 and memcmp(key, b"message", 7) == 0:
        return NODE_DELTA
    if n_bytes == 4 and memcmp(key, b"text", 4) == 0:
        return NODE_CONTENT
    if n_bytes == 13 and memcmp(key, b"finish_reason", 13) == 0:
        return NODE_FINISH
    return NODE_SKIP

cdef inline uint8_t _under_delta(const uint8_t* key, size_t n_bytes) noexcept nogil:
    if n_bytes == 7:
        return (NODE_CONTENT if memcmp(key, b"content", 7) == 0
                else NODE_REFUSAL if memcmp(key, b"refusal", 7) == 0 else NODE_SKIP)
    if n_bytes == 17 and memcmp(key, b"reasoning_content", 17) == 0:
        return NODE_CONTENT
    if n_bytes == 9 and memcmp(key, b"reasoning", 9) == 0:
        return NODE_CONTENT
    if n_bytes == 8 and memcmp(key, b"thinking", 8) == 0:
        return NODE_CONTENT
    if n_bytes == 10 and memcmp(key, b"tool_calls", 10) == 0:
        return NODE_CALLS
    return NODE_SKIP

cdef inline uint8_t _under_usage(const uint8_t* key, size_t n_bytes) noexcept nogil:
    if n_bytes == 13 and memcmp(key, b"prompt_tokens", 13) == 0:
        return NODE_PROMPT_TOKENS
    if n_bytes == 17 and memcmp(key, b"completion_tokens", 17) == 0:
        return NODE_OUTPUT_TOKENS
    return NODE_SKIP

cdef inline uint8_t _under_error(const uint8_t* key, size_t n_bytes) noexcept nogil:
    if n_bytes == 7 and memcmp(key, b"message", 7) == 0:
        return NODE_ERROR_TEXT
    if n_bytes == 4:
        return (NODE_ERROR_CODE if memcmp(key, b"code", 4) == 0
                else NODE_ERROR_TYPE if memcmp(key, b"type", 4) == 0 else NODE_SKIP)
    return NODE_SKIP

cdef inline uint8_t facts_string_begins(JsonFacts* facts, uint8_t node) noexcept nogil:
    """Return the JsonSink for the bytes of the string at that node."""
    if node == NODE_SKIP:
        return SINK_NONE
    if node == NODE_CONTENT or node == NODE_REFUSAL:
        return SINK_CONTENT
    if node == NODE_FINISH or node == NODE_KIND:
        return SINK_SHORT
    facts.coming = _text_rank(node)
    facts.has_message |= node == NODE_MESSAGE
    error_code_start(&facts.code, _code_rank(node))
    return SINK_NONE if facts.coming == RANK_BODY else SINK_ERROR

cdef inline uint8_t _text_rank(uint8_t node) noexcept nogil:
    """ErrorRank of the string at that node; RANK_BODY: it is no error's text."""
    if node == NODE_ERROR:
        return RANK_ERROR
    if node == NODE_ERROR_TEXT:
        return RANK_ERROR_TEXT
    if node == NODE_ERROR_CODE:
        return RANK_ERROR_CODE
    if node == NODE_ERROR_TYPE:
        return RANK_ERROR_TYPE
    if node == NODE_MESSAGE:
        return RANK_MESSAGE
    if node == NODE_ROOT_CODE:
        return RANK_ROOT_CODE
    if node == NODE_ROOT_TYPE:
        return RANK_ROOT_TYPE
    if node == NODE_STATUS_ERROR:
        return RANK_STATUS
    return RANK_DETAIL if node == NODE_DETAIL else RANK_BODY

cdef inline uint8_t _code_rank(uint8_t node) noexcept nogil:
    """CodeRank of the string at that node."""
    if node == NODE_ERROR:
        return CODE_ERROR
    if node == NODE_ERROR_CODE:
        return CODE_ERROR_CODE
    if node == NODE_ERROR_TYPE:
        return CODE_ERROR_TYPE
    if node == NODE_ROOT_CODE:
        return CODE_ROOT
    return CODE_ROOT_TYPE if node == NODE_ROOT_TYPE else CODE_NONE

cdef inline void facts_string_bytes(JsonFacts* facts, uint8_t node, uint8_t sink,
                                    const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Some decoded bytes of a string whose sink is SINK_CONTENT or SINK_ERROR; never none."""
    if sink == SINK_ERROR:
        if facts.coming:
            error_text_start(&facts.error, facts.coming)
            facts.coming = 0
        error_text_feed(&facts.error, at, n_bytes)
        error_code_feed(&facts.code, at, n_bytes)
        if node == NODE_ERROR:
            facts.has_error = 1
    elif node == NODE_REFUSAL:
        facts.is_refusal = 1
    else:
        facts.has_content = 1

cdef inline void facts_word(JsonFacts* facts, uint8_t node, const uint8_t* word, size_t n_bytes) noexcept nogil:
    """A whole string whose sink is SINK_SHORT."""
    if node == NODE_KIND:
        facts.is_error_kind = n_bytes == 5 and memcmp(word, b"error", 5) == 0
    elif n_bytes:
        facts.finish_reason = finish_code(word, n_bytes)

cdef inline uint8_t finish_code(const uint8_t* word, size_t n_bytes) noexcept nogil:
    if n_bytes == 4 and memcmp(word, b"stop", 4) == 0:
        return FINISH_CODE_STOP
    if n_bytes == 6 and memcmp(word, b"length", 6) == 0:
        return FINISH_CODE_LENGTH
    if n_bytes == 10 and memcmp(word, b"tool_calls", 10) == 0:
        return FINISH_CODE_TOOL_CALLS
    if n_bytes == 13 and memcmp(word, b"function_call", 13) == 0:
        return FINISH_CODE_TOOL_CALLS
    if n_bytes == 14 and memcmp(word, b"content_filter", 14) == 0:
        return FINISH_CODE_CONTENT_FILTER
    return FINISH_CODE_OTHER

cdef inline void facts_number(JsonFacts* facts, uint8_t node, int64_t value) noexcept nogil:
    """A number, towards zero. A negative one is no figure, and leaves what was known."""
    if node == NODE_ERROR:
        facts.has_error = 1
    if value < 0:
        return
    if node == NODE_PROMPT_TOKENS:
        facts.prompt_tokens = <int32_t> min(value, <int64_t> COUNT_MAX)
    elif node == NODE_OUTPUT_TOKENS:
        facts.output_tokens = <int32_t> min(value, <int64_t> COUNT_MAX)
    elif node == NODE_TOTAL_NS:
        facts.total_ns = value
    elif node == NODE_LOAD_NS:
        facts.load_ns = value
    elif node == NODE_PROMPT_EVAL_NS:
        facts.prompt_eval_ns = value
    elif node == NODE_EVAL_NS:
        facts.eval_ns = value

cdef inline void facts_true(JsonFacts* facts, uint8_t node) noexcept nogil:
    if node == NODE_DONE:
        facts.is_done = 1
    elif node == NODE_ERROR:
        facts.has_error = 1

cdef inline void facts_container(JsonFacts* facts, uint8_t node) noexcept nogil:
    """An object or array begins."""
    if node == NODE_ERROR:
        facts.has_error = 1

cdef inline void facts_first_member(JsonFacts* facts, uint8_t node) noexcept nogil:
    """The object or array at that node is not empty."""
    if node == NODE_CALLS:
        facts.has_content = 1

cdef inline void facts_document_ends(JsonFacts* facts) noexcept nogil:
    if facts.is_error_kind:
        facts.has_error = 1

cdef inline const ErrorCode* facts_code(const JsonFacts* facts) noexcept nogil:
    """The code by which the server names its error; NULL where it gave none."""
    if facts.code.kept.rank == CODE_NONE or facts.code.kept.rank == CODE_ERROR and not facts.has_message:
        return NULL
    return &facts.code
