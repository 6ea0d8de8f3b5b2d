"""Columns of a block and of some of its requests, against the records themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import Made, block_of, requests

from loadgen.metrics.columns import CODES, Columns
from loadgen.records import NEVER, RECORD_DTYPE, TokenSource

many = st.lists(requests(n_operations=3), min_size=1, max_size=12)
FIELDS = [name for name in RECORD_DTYPE.names or () if name not in ("error", "error_code")]


@given(many, st.sampled_from(FIELDS))
def test_a_column_is_the_field_of_the_records(made: list[Made], name: str) -> None:
    block = block_of(made)
    assert Columns(block)[name].tolist() == block.records[name].tolist()


@given(many, st.sampled_from(FIELDS), st.sampled_from(CODES), st.integers(0, 2))
def test_some_requests_have_their_own_values_and_gaps(made: list[Made], name: str, code: str, value: int) -> None:
    block = block_of(made)
    chosen = block.records[code] == value
    some = Columns(block).where(code, value)
    assert some[name].tolist() == block.records[name][chosen].tolist()
    assert some.block.records.tobytes() == block.records[chosen].tobytes()
    picked = [one for one, is_in in zip(made, chosen, strict=True) if is_in]
    assert some.block.gaps_ns.tolist() == [gap for one in picked for gap in one.gaps]
    assert len(some) == Columns(block).count(code, value) == int(chosen.sum())


@given(many, st.sampled_from(CODES))
def test_a_code_that_all_share_is_known_without_looking_again(made: list[Made], code: str) -> None:
    values = set(block_of(made).records[code].tolist())
    assert Columns(block_of(made)).only(code) == (values.pop() if len(values) == 1 else None)


@given(many)
def test_picked_of_picked_are_those_that_both_chose(made: list[Made]) -> None:
    block = block_of(made)
    both = Columns(block).where("operation", 0).where("phase", 1)
    chosen = (block.records["operation"] == 0) & (block.records["phase"] == 1)
    assert both["planned_at_ns"].tolist() == block.records["planned_at_ns"][chosen].tolist()
    assert both.block.records.tobytes() == block.records[chosen].tobytes()


@given(many, st.sampled_from(["sent_at_ns", "done_at_ns"]))
def test_ends_are_the_lowest_and_the_highest_value(made: list[Made], name: str) -> None:
    values = block_of(made).records[name]
    columns = Columns(block_of(made))
    assert columns.ends(name) == (values.min(), values.max())
    assert columns.is_whole(name) == (values.min() != NEVER)


@pytest.mark.parametrize(
    ("made", "has_tokens"),
    [
        (Made(), False),
        (Made(first_token=5), True),
        (Made(prompt_tokens=3), True),
        (Made(token_source=TokenSource.EVENTS), True),
    ],
)
def test_anything_about_tokens_is_noticed(made: Made, has_tokens: bool) -> None:
    columns = Columns(block_of([made, Made(operation=1)]))
    assert columns.has_tokens is has_tokens
    assert columns.where("operation", 0).has_tokens is has_tokens


def test_no_requests_have_no_values_and_no_tokens() -> None:
    none = Columns(block_of([Made()])).pick(np.zeros(0, np.intp))
    assert (len(none), none.has_tokens, none.only("phase"), none.ends("sent_at_ns")) == (0, False, None, (NEVER, NEVER))
    assert none["planned_at_ns"].tolist() == []
