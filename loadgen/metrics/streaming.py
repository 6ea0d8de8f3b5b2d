"""What lies between the tokens: gaps request by request, and the instants at which tokens came."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.records import Block, TokenSource


class Arrivals(NamedTuple):
    """Content events of a block, first tokens before the rest.

    at_ns: shape (n_events,), int64, ns since the run began.
    tokens: shape (n_events,), float64, how many tokens each event stands for; None where each stands for one.
    """

    at_ns: NDArray[np.int64]
    tokens: NDArray[np.float64] | None

    def n_tokens_of(self, chosen: NDArray[np.bool_]) -> float:
        """Tokens of the chosen events."""
        if self.tokens is None:
            return float(np.count_nonzero(chosen))
        return float(self.tokens[chosen].sum())


def pick(block: Block, chosen: NDArray[np.bool_]) -> Block:
    """The chosen requests with their gaps. chosen: shape (n,), bool. The block itself where all are chosen."""
    if chosen.all():
        return block
    of_chosen = np.repeat(chosen, block.records["n_gaps"])
    return Block(block.records[chosen], block.gaps_ns[of_chosen])


def first_gaps(records: NDArray[Any]) -> NDArray[np.int64]:
    """Where each request's gaps begin in gaps_ns. Shape (n,)."""
    n_gaps = records["n_gaps"].astype(np.int64)
    return np.cumsum(n_gaps) - n_gaps


def token_arrivals(block: Block) -> Arrivals:
    """Instants of all content events, rebuilt from first_token_at_ns and the gaps.

    Events without a gap of their own (the engine ran out of room) are dated last_token_at_ns.
    """
    started = block.records["first_token_at_ns"] >= 0
    records, gaps_ns = pick(block, started)
    first = records["first_token_at_ns"]
    n_gaps = records["n_gaps"].astype(np.int64)
    undated = np.maximum(records["n_events"] - 1 - n_gaps, 0)
    at_ns = [first, _after_first(first, n_gaps, gaps_ns)]
    if undated.any():
        at_ns.append(np.repeat(records["last_token_at_ns"], undated))
    return Arrivals(np.concatenate(at_ns), _tokens_of_events(records, n_gaps, undated))


def _after_first(first: NDArray[np.int64], n_gaps: NDArray[np.int64], gaps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    elapsed = np.cumsum(gaps_ns)
    before = np.concatenate(([0], elapsed))[np.cumsum(n_gaps) - n_gaps]
    offsets: NDArray[np.int64] = np.repeat(first - before, n_gaps)
    return np.add(elapsed, offsets, out=offsets)


def _tokens_of_events(
    records: NDArray[Any], n_gaps: NDArray[np.int64], undated: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """An event stands for output_tokens / n_events where the server counted, else for one."""
    counted = (records["token_source"] == TokenSource.USAGE) & (records["output_tokens"] >= 0)
    n_events = np.maximum(records["n_events"], 1)
    if not (counted & (records["output_tokens"] != n_events)).any():
        return None
    each = np.where(counted, records["output_tokens"] / n_events, 1.0)
    parts = [each, np.repeat(each, n_gaps)]
    if undated.any():
        parts.append(np.repeat(each, undated))
    return np.concatenate(parts)
