"""What a Redis says of itself, in INFO and CONFIG, as run.json and the monitor keep it."""

from typing import Any

from loadgen.targets.redis.resp import Reply
from loadgen.targets.redis.session import Session, as_dict

Info = dict[str, str]

CONFIG_NAMES = ("save", "io-threads", "proto-max-bulk-len")

_SAMPLED = {
    "ops_per_s": "instantaneous_ops_per_sec",
    "commands": "total_commands_processed",
    "connected_clients": "connected_clients",
    "blocked_clients": "blocked_clients",
    "used_memory_bytes": "used_memory",
    "resident_memory_bytes": "used_memory_rss",
    "keyspace_hits": "keyspace_hits",
    "keyspace_misses": "keyspace_misses",
    "evicted_keys": "evicted_keys",
    "expired_keys": "expired_keys",
    "rejected_connections": "rejected_connections",
    "cpu_user_s": "used_cpu_user",
    "cpu_system_s": "used_cpu_sys",
}
"""What a sample calls it, and what INFO does."""


def read_info(text: Reply) -> Info:
    """{} where INFO is refused."""
    lines = text.decode("utf-8", "replace").splitlines() if isinstance(text, bytes) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def read_config(session: Session) -> Info:
    """What of CONFIG_NAMES the user may see."""
    known: Info = {}
    for reply in session.ask_all([("CONFIG", "GET", name) for name in CONFIG_NAMES]):
        known |= {_text(name): _text(value) for name, value in as_dict(reply).items()}
    return known


def described(info: Info, config: Info, protocol: int) -> dict[str, Any]:
    """run.json's `service`, what of it only the server knows."""
    return {
        "name": info.get("server_name", "redis"),
        "version": info.get("valkey_version", info.get("redis_version")),
        "protocol": f"RESP{protocol}",
        "mode": info.get("redis_mode", info.get("server_mode")),
        "role": info.get("role"),
        "maxmemory_bytes": _number(info.get("maxmemory")),
        "maxmemory_policy": info.get("maxmemory_policy"),
        "persistence": _persistence(info, config),
        "io_threads": _number(config.get("io-threads")),
    }


def sampled(info: Info) -> dict[str, Any]:
    """What of it changes while the load goes on."""
    numbers = {name: _number(info.get(of_info)) for name, of_info in _SAMPLED.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def may_evict(info: Info) -> bool:
    """Whether the server may drop keys that have no time to live, to stay within its memory."""
    policy = info.get("maxmemory_policy", "noeviction")
    return info.get("maxmemory", "0") != "0" and policy.startswith("allkeys")


def _persistence(info: Info, config: Info) -> str | None:
    """rdb, aof, both or none; None where the server does not say."""
    if "aof_enabled" not in info:
        return None
    kinds = ["aof"] if info["aof_enabled"] == "1" else []
    if "save" not in config:
        return kinds[0] if kinds else None
    return " and ".join(["rdb", *kinds] if config["save"] else kinds) or "none"


def _number(text: str | None) -> int | float | None:
    try:
        return None if text is None else int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return None


def _text(word: Reply) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else ""
