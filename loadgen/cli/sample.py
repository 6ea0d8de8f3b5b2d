"""A request as a person can read it: the first one of a plan, whatever its protocol."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from loadgen.plan.model import Plan, SlotKind, Wire
from loadgen.recipe import Recipe
from loadgen.recipe.secrets import MASK, is_secret_name

SHOWN_CHARS = 1500

_UNPRINTABLE = re.compile(r"[^\n\x20-\x7e]")


def request_lines(recipe: Recipe, plan: Plan) -> Iterator[str]:
    """The first request that would leave, as it would."""
    which, raw = _first(plan)
    if plan.wire is Wire.CALL:
        name = plan.operations[plan.pool.payloads["operation"][which]].name
        yield recipe.redacted(f"{name}, a call of {getattr(recipe.service, 'client', recipe.service.kind)}")
    elif plan.wire <= Wire.HTTP:
        yield from map(recipe.redacted, _http_lines(raw, _hole(plan, which)))
    else:
        yield from map(recipe.redacted, _binary_lines(plan, which, raw))


def _first(plan: Plan) -> tuple[int, bytes]:
    """Its place in the pool, and its bytes with the drawn values in their slots; of an empty schedule any."""
    dues = plan.draw(0, 1)
    which = int(dues.payload[0]) if len(dues.payload) else 0
    raw = bytearray(plan.pool.text(which))
    for slot in plan.pool.slots_of(which):
        if slot.kind is SlotKind.VALUE and dues.values is not None and len(dues.values):
            raw[slot.at : slot.at + slot.width] = str(dues.values[0, slot.value]).zfill(slot.width).encode()
    return which, bytes(raw)


def _hole(plan: Plan, which: int) -> tuple[int, int]:
    """Where bytes of the pool's bodies come in, and how many."""
    entry = plan.pool.payloads[which]
    return int(entry["body_at"]), int(entry["body_bytes"])


def _http_lines(raw: bytes, hole: tuple[int, int]) -> Iterator[str]:
    head, _, body = raw.partition(b"\r\n\r\n")
    for line in head.decode("latin-1").split("\r\n"):
        yield _masked_header(line)
    if hole[1]:
        yield from ("", f"… {hole[1]:,} bytes …")
    if body:
        yield from ("", _shown_body(body))


def _masked_header(line: str) -> str:
    match = re.match(r"([^:\s]+):\s*(.+)", line)
    return f"{match[1]}: {MASK}" if match and is_secret_name(match[1]) else line


def _shown_body(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _cut(_printable(body))
    with suppress(ValueError):  # no JSON: shown as it is
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return _cut(text)


def _binary_lines(plan: Plan, which: int, raw: bytes) -> Iterator[str]:
    """Each step on its own; what is no text as \\x00."""
    entry = plan.pool.payloads[which]
    steps = plan.pool.steps[entry["step_from"] : entry["step_from"] + entry["n_steps"]]
    for number, (begin, end) in enumerate(np.column_stack(([0, *steps], [*steps, len(raw)])).tolist()):
        if number:
            yield "— when the server is ready —"
        at, n_bytes = _hole(plan, which)
        if n_bytes and begin <= at < end:
            yield from (_cut(_printable(raw[begin:at])), f"… {n_bytes:,} bytes …", _cut(_printable(raw[at:end])))
        else:
            yield _cut(_printable(raw[begin:end]))


def _printable(raw: bytes) -> str:
    text = raw.decode("latin-1").replace("\r\n", "\n")
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text).rstrip("\n")


def _cut(text: str) -> str:
    if len(text) <= SHOWN_CHARS:
        return text
    return f"{text[:SHOWN_CHARS]}\n… and {len(text) - SHOWN_CHARS:,} more characters"
