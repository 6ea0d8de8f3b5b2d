"""Requests of vector stores, as they will be sent, taken apart."""

import json
from typing import Any, NamedTuple

from loadgen.plan import build_plan
from loadgen.plan.model import NO_KEY, Check, Plan, SlotKind
from loadgen.recipe import recipe_from_dict
from loadgen.targets import target_for


class Sent(NamedTuple):
    line: str
    headers: dict[str, str]
    body: Any
    check: Check
    key: int
    neighbours: list[int]
    needle: bytes


def build(kind: str, workload: dict[str, Any], **service: Any) -> Plan:
    recipe = recipe_from_dict(
        {"service": {"kind": kind, **service}, "workload": workload, "load": {"requests": 300, "warmup_s": 0}}
    )
    return build_plan(recipe, target_for(recipe))


def sent(plan: Plan, index: int) -> Sent:
    """What is sent as the index's request, with its drawn values in their places and its body where it belongs."""
    due = plan.draw(index, 1)
    payload = int(due.payload[0])
    entry = plan.pool.payloads[payload]
    raw = bytearray(plan.pool.text(payload))
    for slot in plan.pool.slots_of(payload):
        if slot.kind is SlotKind.VALUE:
            assert due.values is not None
            raw[slot.at : slot.at + slot.width] = b"%0*d" % (slot.width, due.values[0, slot.value])
    if entry["body_bytes"]:
        body = plan.pool.bodies[entry["body_from"] : entry["body_from"] + entry["body_bytes"]].tobytes()
        raw[entry["body_at"] : entry["body_at"]] = body
    head, _, content = bytes(raw).partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    named = dict(header.split(": ", 1) for header in headers)
    assert int(named["Content-Length"]) == len(content)
    near = plan.pool.neighbours[entry["neighbour_from"] : entry["neighbour_from"] + entry["n_neighbours"]].tolist()
    needle = plan.pool.needles[entry["needle_from"] : entry["needle_from"] + entry["needle_bytes"]].tobytes()
    key = int(entry["key"])
    if key == NO_KEY and due.values is not None:
        key = int(due.values[0, 0])
    return Sent(line, named, json.loads(content), Check(entry["check"]), key, near, needle)
