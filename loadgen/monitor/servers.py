"""What servers' own figures come to: who was served, who waited, how full the cache was.

Names of series: vLLM, "Production metrics"; llama.cpp's server, SGLang and TGI as their pages have them; for S3 stores
the names of targets/s3/metrics.py.
"""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from loadgen.bundle.monitor import Sample
from loadgen.monitor.means import Growth, Level, Mean, Span, number, rounded
from loadgen.monitor.prometheus import name_of

SUMS = {
    "running": (
        "vllm:num_requests_running",
        "sglang:num_running_reqs",
        "llamacpp:requests_processing",
        "tgi_batch_current_size",
        "requests_in_flight",
    ),
    "waiting": (
        "vllm:num_requests_waiting",
        "sglang:num_queue_reqs",
        "llamacpp:requests_deferred",
        "tgi_queue_size",
        "requests_waiting",
    ),
}
"""Over all series of the name: of each engine, say."""

MEANS = {
    "kv_cache_ratio": (
        "vllm:kv_cache_usage_perc",
        "vllm:gpu_cache_usage_perc",
        "sglang:token_usage",
        "llamacpp:kv_cache_usage_ratio",
    ),
    "cache_hit_ratio": ("sglang:cache_hit_rate",),
}
COUNTERS = {"preemptions": "vllm:num_preemptions_total"}


class Hits(NamedTuple):
    """Counters of a cache: found there, and asked for, as a sum of series."""

    found: str
    asked: tuple[str, ...]


HITS = (
    Hits("vllm:prefix_cache_hits_total", ("vllm:prefix_cache_queries_total",)),
    Hits("vllm:gpu_prefix_cache_hits_total", ("vllm:gpu_prefix_cache_queries_total",)),
    Hits(
        "llamacpp:prompt_tokens_cached_total", ("llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total")
    ),
)
_COUNTED = {*COUNTERS.values(), *(name for hits in HITS for name in (hits.found, *hits.asked))}
_ROLE_OF = {name: role for roles in (SUMS, MEANS) for role, names in roles.items() for name in names}


class Servers:
    """Each service by its name. see() takes a line of server.jsonl after the other."""

    def __init__(self, window: Span) -> None:
        self._window = window
        self._servers: dict[str, _Server] = {}

    def see(self, sample: Sample) -> None:
        if sample.service not in self._servers:
            self._servers[sample.service] = _Server(self._window)
        self._servers[sample.service].see(sample)

    @property
    def figures(self) -> dict[str, Any]:
        """Of one service; of several {name: those of it}. Empty where no server says anything of the kind."""
        each = {name: figures for name, server in self._servers.items() if (figures := server.figures)}
        return each.get("", {}) if set(self._servers) == {""} else each


class _Server:
    def __init__(self, window: Span) -> None:
        self._levels: dict[str, Mean] = {role: Level(window) for role in (*SUMS, *MEANS)}
        self._counters = {name: Growth(window) for name in _COUNTED}

    def see(self, sample: Sample) -> None:
        levels, counts = levels_of(sample.values), counts_of(sample.values)
        for role, level in self._levels.items():
            level.see(sample.at_ns, levels.get(role))
        for name, counter in self._counters.items():
            counter.see(sample.at_ns, counts.get(name))

    @property
    def figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = {role: figure for role, level in self._levels.items() if (figure := level.figure)}
        grown = {role: rounded(self._grown(name)) for role, name in COUNTERS.items() if self._is_known(name)}
        return figures | grown | self._hit_ratio()

    def _hit_ratio(self) -> dict[str, float]:
        for found, asked in HITS:
            in_all = sum(self._grown(name) for name in asked)
            if self._is_known(found) and in_all > 0:
                return {"prefix_cache_hit_ratio": rounded(self._grown(found) / in_all)}
        return {}

    def _is_known(self, name: str) -> bool:
        return self._counters[name].value is not None

    def _grown(self, name: str) -> float:
        return self._counters[name].in_all


def levels_of(values: Mapping[str, Any]) -> dict[str, float]:
    """One look's figures, by what they are about: SUMS over their labels, MEANS of them."""
    levels: dict[str, float] = {}
    for name, each in _by_name(values, _ROLE_OF).items():
        role = _ROLE_OF[name]
        levels.setdefault(role, sum(each) / (len(each) if role in MEANS else 1))
    return levels


def counts_of(values: Mapping[str, Any]) -> dict[str, float]:
    """One look's counters, by their names: summed over their labels."""
    return {name: sum(each) for name, each in _by_name(values, _COUNTED).items()}


def _by_name(values: Mapping[str, Any], wanted: Container[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for series, given in values.items():
        name, value = name_of(series), number(given)
        if value is not None and name in wanted:
            found.setdefault(name, []).append(value)
    return found
