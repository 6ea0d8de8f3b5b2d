"""Requests as plain Python says them, and the same as a block of records."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadgen.records import NEVER, Block, Outcome, Phase, TokenSource, empty_record

MS = 1_000_000
S = 1_000_000_000


class Op(NamedTuple):
    name: str
    expects_tokens: bool
    service: str = ""
    top_k: int = 0


@dataclass
class Made:
    """One request; None is an instant or a count that there is not."""

    index: int = 0
    planned: int = 0
    sent: int | None = 0
    first_byte: int | None = None
    first_token: int | None = None
    gaps: list[int] = field(default_factory=list)
    done: int | None = None
    outcome: Outcome = Outcome.OK
    phase: Phase = Phase.MEASURE
    operation: int = 0
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    token_source: TokenSource = TokenSource.NONE
    n_undated: int = 0  # events beyond the gaps that were kept
    read_lag: int = 0
    n_hits: int | None = None
    checked: bool = False
    error_code: str = ""

    @property
    def n_events(self) -> int:
        return 0 if self.first_token is None else 1 + len(self.gaps) + self.n_undated

    @property
    def last_token(self) -> int | None:
        return None if self.first_token is None else self.first_token + sum(self.gaps)

    def token_instants(self) -> list[int]:
        if self.first_token is None:
            return []
        instants = [self.first_token]
        for gap in self.gaps:
            instants.append(instants[-1] + gap)
        return instants + [instants[-1]] * self.n_undated

    def tokens_an_event(self) -> float:
        if self.token_source is TokenSource.USAGE and self.output_tokens is not None and self.n_events:
            return self.output_tokens / self.n_events
        return 1.0

    def ttft(self) -> int | None:
        return None if self.first_token is None else max(self.first_token - self.planned, 0)

    def e2e(self) -> int | None:
        return None if self.done is None else max(self.done - self.planned, 0)


def block_of(requests: list[Made]) -> Block:
    records = np.concatenate([empty_record() for _ in requests]) if requests else empty_record()[:0]
    for record, made in zip(records, requests, strict=True):
        record["index"] = made.index
        record["planned_at_ns"] = made.planned
        for name, instant in (
            ("sent_at_ns", made.sent),
            ("first_byte_at_ns", made.first_byte),
            ("first_token_at_ns", made.first_token),
            ("last_token_at_ns", made.last_token),
            ("done_at_ns", made.done),
            ("prompt_tokens", made.prompt_tokens),
            ("output_tokens", made.output_tokens),
            ("n_hits", made.n_hits),
        ):
            record[name] = NEVER if instant is None else instant
        record["outcome"], record["phase"], record["operation"] = made.outcome, made.phase, made.operation
        record["n_events"], record["n_gaps"] = made.n_events, len(made.gaps)
        record["token_source"], record["read_lag_ns"] = made.token_source, made.read_lag
        record["checked"], record["error_code"] = made.checked, made.error_code.encode()
    return Block(records, np.array([gap for made in requests for gap in made.gaps], np.int64))


def streamed(planned: int = 0, **fields: object) -> Made:
    """A success of 4 tokens: 100 ms to the first, then 10, 20 and 30 ms."""
    usual = {
        "planned": planned,
        "sent": planned + MS,
        "first_byte": planned + 90 * MS,
        "first_token": planned + 100 * MS,
        "gaps": [10 * MS, 20 * MS, 30 * MS],
        "done": planned + 161 * MS,
        "prompt_tokens": 7,
        "output_tokens": 4,
        "token_source": TokenSource.USAGE,
    }
    return Made(**{**usual, **fields})  # type: ignore[arg-type]


@st.composite
def requests(draw: st.DrawFn, n_operations: int = 1) -> Made:
    """Anything that an engine may give: at any stage of its life, of any phase and outcome."""
    stage = draw(st.integers(0, 4))  # unsent, sent, answered, streaming, done
    planned = draw(st.integers(0, 5 * S))
    steps = [planned]
    for _ in range(4):
        steps.append(steps[-1] + draw(st.integers(0, 2 * S)))
    gaps = draw(st.lists(st.integers(0, 300 * MS), max_size=6)) if stage >= 3 else []
    has_usage = stage == 4 and draw(st.booleans())
    outcome = draw(st.sampled_from(Outcome)) if stage == 4 else draw(st.sampled_from(list(Outcome)[1:]))
    return Made(
        index=draw(st.integers(0, 1000)),
        planned=planned,
        sent=steps[1] if stage >= 1 else None,
        first_byte=steps[2] if stage >= 2 else None,
        first_token=steps[3] if stage >= 3 else None,
        gaps=gaps,
        done=steps[3] + sum(gaps) + steps[4] - steps[3] if stage == 4 else None,
        outcome=outcome,
        phase=draw(st.sampled_from(Phase)),
        operation=draw(st.integers(0, n_operations - 1)),
        prompt_tokens=draw(st.integers(0, 50)) if has_usage else None,
        output_tokens=draw(st.integers(0, 12)) if has_usage else None,
        token_source=TokenSource.USAGE if has_usage else TokenSource.EVENTS,
        n_undated=draw(st.integers(0, 2)) if stage >= 3 else 0,
        read_lag=draw(st.integers(0, MS)),
        n_hits=draw(st.none() | st.integers(0, 10)),
        checked=draw(st.booleans()),
        error_code=draw(st.sampled_from(["", "OOM", "40001"])) if outcome is not Outcome.OK else "",
    )


def answers(planned_ns: NDArray[np.int64], e2e_ns: NDArray[np.int64], outcome: Outcome = Outcome.OK) -> Block:
    """Many plain answers at once, in the order in which they ended. Shapes (n,)."""
    records = np.repeat(empty_record(), len(planned_ns))
    records["planned_at_ns"] = records["sent_at_ns"] = planned_ns
    records["first_byte_at_ns"] = records["done_at_ns"] = planned_ns + e2e_ns
    records["phase"], records["outcome"] = Phase.MEASURE, outcome
    return Block(records[np.argsort(records["done_at_ns"], kind="stable")], np.zeros(0, np.int64))
