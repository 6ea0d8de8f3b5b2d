"""Records with anything in any field, for tests of what is written and read again."""

import numpy as np
from hypothesis import strategies as st

from loadgen.bundle.layout import CONTENT_KEYS, SERVER_KEYS
from loadgen.records import NEVER, Block, Checked, FinishReason, Outcome, Phase, Stamp, TokenSource, empty_record

instants = st.integers(NEVER, 2**40)
counts = st.integers(0, 2**31 - 1)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """Records with anything in any field."""
    n = draw(st.integers(1, 5))
    records = np.concatenate([empty_record() for _ in range(n)])
    gaps: list[int] = []
    for record in records:
        own = draw(st.lists(st.integers(0, 2**40), max_size=4))
        gaps += own
        for name in ("sent_at_ns", "first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns"):
            record[name] = draw(instants)
        for name in (*SERVER_KEYS, *CONTENT_KEYS, "prompt_tokens", "output_tokens", "connection"):
            record[name] = draw(st.integers(NEVER, 2**31 - 1))
        for name in ("index", "planned_at_ns", "read_lag_ns", "request_bytes", "response_bytes", "payload"):
            record[name] = draw(counts)
        record["n_gaps"], record["n_events"], record["n_shared_stamps"] = len(own), len(own) + 1, draw(counts)
        record["http_status"] = draw(st.integers(0, 999))
        for name, kind in (("outcome", Outcome), ("phase", Phase), ("stamp", Stamp)):
            record[name] = draw(st.sampled_from(kind))
        record["finish_reason"] = draw(st.sampled_from(FinishReason))
        record["token_source"] = draw(st.sampled_from(TokenSource))
        record["checked"] = draw(st.sampled_from(Checked))
        record["error_code"] = draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)).encode()
        record["error"] = draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=27)).encode()
    return Block(records, np.array(gaps, np.int64))
