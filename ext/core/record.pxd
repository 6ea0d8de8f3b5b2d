"""One finished request, field by field as in loadgen/records.py, which says what each means. A test compares the two.

Widest fields first, so that no padding is left to the compiler. NEVER (-1) is an instant that did not happen.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

cdef enum:
    NEVER = -1
    ERROR_BYTES = 108
    ERROR_CODE_BYTES = 23

cdef enum Outcome:
    OUTCOME_OK = 0
    OUTCOME_RATE_LIMITED = 1
    OUTCOME_SERVER_ERROR = 2
    OUTCOME_CLIENT_ERROR = 3
    OUTCOME_CONNECT_FAILED = 4
    OUTCOME_RESET = 5
    OUTCOME_TIMEOUT = 6
    OUTCOME_PROTOCOL_ERROR = 7
    OUTCOME_STREAM_ERROR = 8
    OUTCOME_EMPTY_OUTPUT = 9
    OUTCOME_TRUNCATED = 10
    OUTCOME_CONTEXT_LENGTH_EXCEEDED = 11
    OUTCOME_REFUSED = 12
    OUTCOME_WRONG_ANSWER = 13
    OUTCOME_CANCELLED = 14

cdef enum Phase:
    PHASE_WARMUP = 0
    PHASE_MEASURE = 1
    PHASE_DRAIN = 2

cdef enum Stamp:
    STAMP_READ = 0
    STAMP_KERNEL = 1

cdef enum FinishReason:
    FINISH_NONE = 0
    FINISH_STOP = 1
    FINISH_LENGTH = 2
    FINISH_TOOL_CALLS = 3
    FINISH_CONTENT_FILTER = 4
    FINISH_OTHER = 5

cdef enum TokenSource:
    TOKENS_NONE = 0
    TOKENS_USAGE = 1
    TOKENS_EVENTS = 2

cdef struct Record:
    int64_t index
    int64_t planned_at_ns
    int64_t sent_at_ns
    int64_t first_byte_at_ns
    int64_t first_token_at_ns
    int64_t last_token_at_ns
    int64_t done_at_ns
    int64_t read_lag_ns
    int64_t request_bytes
    int64_t response_bytes
    int64_t server_total_ns
    int64_t server_load_ns
    int64_t server_prompt_eval_ns
    int64_t server_eval_ns
    int32_t n_events
    int32_t n_gaps
    int32_t n_shared_stamps
    int32_t prompt_tokens
    int32_t output_tokens
    int32_t connection
    int32_t payload
    int32_t n_items
    int32_t n_hits
    uint16_t http_status
    uint8_t outcome
    uint8_t phase
    uint8_t operation
    uint8_t stamp
    uint8_t finish_reason
    uint8_t token_source
    uint8_t checked
    char[23] error_code
    char[108] error
