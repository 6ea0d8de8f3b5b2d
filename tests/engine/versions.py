"""Plans whose values are held against what was written, values for them, and what is known of their keys afterwards."""

from harness import Carried
from redis_script import bulk, redis_plan_of
from stamped import stamped

from loadgen.plan.model import Plan, Request

TAG = b"1f2e3d4c"


def plan_for(*different: Request, n_keys: int = 10, **changes: object) -> Plan:
    """These requests, one after the other."""
    return redis_plan_of(len(different), *different, n_keys=n_keys, value_tag=TAG, **changes)


def value(key: int, version: int, tag: bytes = TAG) -> bytes:
    return bulk(stamped(key, version, tag=tag))


def state_of(carried: Carried, key: int) -> dict[str, int]:
    keys = carried.ending.keys[0]
    assert keys is not None
    return {name: int(keys[key][name]) for name in keys.dtype.names}
