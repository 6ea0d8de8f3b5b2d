"""/metrics, in the text format of Prometheus; vLLM's names for what vLLM has too."""
from libc.stdint cimport int64_t

from sim.lateness cimport lateness_at_ns
from sim.state cimport Counts, Server
from sim.text cimport Buffer, put_bytes, put_decimal, put_seconds, put_text


cdef inline void put_kind(Buffer* into, const char* name, const char* kind, const char* says) noexcept nogil:
    put_text(into, b"# HELP ")
    put_text(into, name)
    put_bytes(into, b" ", 1)
    put_text(into, says)
    put_text(into, b"\n# TYPE ")
    put_text(into, name)
    put_bytes(into, b" ", 1)
    put_text(into, kind)
    put_bytes(into, b"\n", 1)


cdef inline void put_value(Buffer* into, const char* name, const char* labels, int64_t value) noexcept nogil:
    put_text(into, name)
    put_text(into, labels)
    put_bytes(into, b" ", 1)
    put_decimal(into, value)
    put_bytes(into, b"\n", 1)


cdef inline void put_one(
    Buffer* into, const char* name, const char* kind, const char* says, const char* labels, int64_t value,
) noexcept nogil:
    put_kind(into, name, kind, says)
    put_value(into, name, labels, value)


cdef inline void put_lateness(Buffer* into, const char* labels, int64_t ns) noexcept nogil:
    put_text(into, b"loadgen_simulator_token_lateness_seconds")
    put_text(into, labels)
    put_bytes(into, b" ", 1)
    put_seconds(into, ns)
    put_bytes(into, b"\n", 1)


cdef inline void put_all_lateness(Buffer* into, const Counts* counts) noexcept nogil:
    put_kind(into, b"loadgen_simulator_token_lateness_seconds", b"summary", b"Token written minus token due.")
    put_lateness(into, b'{quantile="0.5"}', lateness_at_ns(counts, 0.5))
    put_lateness(into, b'{quantile="0.99"}', lateness_at_ns(counts, 0.99))
    put_lateness(into, b'{quantile="0.999"}', lateness_at_ns(counts, 0.999))
    put_lateness(into, b"_sum", counts.lateness_sum_ns)
    put_value(into, b"loadgen_simulator_token_lateness_seconds_count", b"", counts.n_tokens)
    put_kind(into, b"loadgen_simulator_token_lateness_max_seconds", b"gauge", b"The latest token so far.")
    put_text(into, b"loadgen_simulator_token_lateness_max_seconds ")
    put_seconds(into, counts.lateness_max_ns)
    put_bytes(into, b"\n", 1)


cdef inline void put_vllm(Buffer* into, const Counts* counts) noexcept nogil:
    cdef const char* labels = b'{engine="0",model_name="simulator"}'
    put_one(into, b"vllm:num_requests_running", b"gauge", b"Requests that have a slot.", labels, counts.n_running)
    put_one(into, b"vllm:num_requests_waiting", b"gauge", b"Requests in the queue.", labels, counts.n_waiting)
    put_one(into, b"vllm:prompt_tokens_total", b"counter", b"Prompt tokens, estimated as words.", labels,
            counts.n_prompt_tokens)
    put_one(into, b"vllm:generation_tokens_total", b"counter", b"Tokens written.", labels,
            counts.n_tokens + counts.n_tokens_whole)


cdef inline void put_metrics(Buffer* into, const Server* server) noexcept nogil:
    cdef const Counts* counts = &server.counts
    put_vllm(into, counts)
    put_kind(into, b"loadgen_simulator_requests_total", b"counter", b"Requests for generation or embeddings, ended.")
    put_value(into, b"loadgen_simulator_requests_total", b'{outcome="ok"}', counts.n_ok)
    put_value(into, b"loadgen_simulator_requests_total", b'{outcome="fault"}', counts.n_faulted)
    put_value(into, b"loadgen_simulator_requests_total", b'{outcome="client_closed"}', counts.n_client_gone)
    put_one(into, b"loadgen_simulator_requests_received_total", b"counter", b"The same, received.", b"",
            counts.n_generations)
    put_one(into, b"loadgen_simulator_http_requests_total", b"counter", b"Requests for anything.", b"",
            counts.n_requests)
    put_one(into, b"loadgen_simulator_connections", b"gauge", b"Open connections.", b"", counts.n_connections)
    put_one(into, b"loadgen_simulator_tokens_total", b"counter", b"Tokens streamed, each a write of its own.", b"",
            counts.n_tokens)
    put_one(into, b"loadgen_simulator_blocked_writes_total", b"counter", b"Writes that the kernel did not take whole.",
            b"", counts.n_blocked)
    put_all_lateness(into, counts)
