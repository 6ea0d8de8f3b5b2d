"""Which keys are loadgen's: found, claimed and removed. Others' are never deleted, and never written over unasked."""

from collections.abc import Callable, Iterator, Mapping

from loadgen.errors import TargetError
from loadgen.plan.model import KEY_DIGITS
from loadgen.targets.redis.resp import Refusal
from loadgen.targets.redis.session import Session, as_dict

MARKER = "loadgen:filled"
"""A hash {prefix: how many keys}: those that loadgen has written into this database, or was about to."""

BATCH = 1000

Spans = Mapping[str, int]
"""{prefix: n}: the keys prefix + 000000000000 to prefix + (n - 1)."""

Progress = Callable[[str, int, int], None]


def key_name(prefix: str, number: int) -> str:
    return f"{prefix}{number:0{KEY_DIGITS}}"


def owned(session: Session) -> dict[str, int]:
    """What loadgen has written before; {} where a user may not look."""
    marked = as_dict(session.ask("HGETALL", MARKER))
    counted = ((prefix, n) for prefix, n in marked.items() if isinstance(prefix, bytes) and isinstance(n, bytes))
    return {prefix.decode("utf-8", "replace"): int(n) for prefix, n in counted if n.isdigit()}


def foreign_key(session: Session, spans: Spans, ours: Spans) -> str | None:
    """The first key of the spans that is there and not ours. Raises TargetError where a user may not look."""
    if session.ask("DBSIZE") == 0:
        return None
    for names in _batches(spans, ours):
        found = session.ask("EXISTS", *names)
        if isinstance(found, Refusal):
            raise TargetError(f"EXISTS is refused: {found}")
        if found:
            return _first_of(session, names)
    return None


def claim(session: Session, spans: Spans, ours: Spans) -> None:
    """Say in the database whose they are, before they are written. A user who may not write there goes without."""
    together = {prefix: max(n, ours.get(prefix, 0)) for prefix, n in spans.items()}
    fields = [word for prefix, n in together.items() for word in (prefix, n)]
    if fields:
        session.ask("HSET", MARKER, *fields)


def remove(session: Session, spans: Spans, progress: Progress = lambda _what, _done, _in_all: None) -> None:
    """The keys of the spans, and then the marker. Raises TargetError."""
    n_done, n_in_all = 0, sum(spans.values())
    for names in _batches(spans, {}):
        session.demand("UNLINK", *names)
        n_done += len(names)
        progress("removing what an earlier run left", n_done, n_in_all)
    session.ask("UNLINK", MARKER)


def _batches(spans: Spans, without: Spans) -> Iterator[list[str]]:
    for prefix, n in spans.items():
        for first in range(without.get(prefix, 0), n, BATCH):
            yield [key_name(prefix, number) for number in range(first, min(first + BATCH, n))]


def _first_of(session: Session, names: list[str]) -> str:
    found = session.ask_all([("EXISTS", name) for name in names])
    return next((name for name, n in zip(names, found, strict=True) if n), names[0])
