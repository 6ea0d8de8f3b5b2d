"""Both engines must read the same replies of Redis and PostgreSQL as the same records: each is the other's oracle.

# Invariant: for any replies, cut and closed anywhere, outcome, counts, bytes and the server's words are the same.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engines import ENGINES
from harness import Carried
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from postgresql_script import ScriptedPostgresql, done, failed, message, postgresql_plan_of, ready, request_of, row
from redis_script import ScriptedRedis, bulk, command_of, redis_plan_of
from scripted import Peer, Script
from stamped import stamped

from loadgen.plan.model import Check, Plan
from loadgen.records import Outcome

SAME = (
    *("outcome", "n_items", "n_hits", "checked", "error", "error_code", "http_status", "payload", "phase"),
    *("request_bytes", "response_bytes"),
)
_CUT = (Outcome.PROTOCOL_ERROR, Outcome.RESET)
NOT_COMPARED = {
    "n_items": (Outcome.CLIENT_ERROR, Outcome.SERVER_ERROR),  # of a failure nothing is worth counting
    "n_hits": (Outcome.CLIENT_ERROR, Outcome.SERVER_ERROR),
}
TAG = b"1f2e3d4c"

together = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ENGINES["native"](tmp_path)  # skips, or fails, where there is none
    return tmp_path


lines = st.binary(max_size=12).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
values = st.sampled_from([stamped(3, version, tag=TAG) for version in (1, 2)] + [stamped(4, 2, tag=TAG), b"torn" * 12])
contents = st.one_of(st.binary(max_size=40), values)
scalars = st.one_of(
    st.builds(lambda line: b"+" + line + b"\r\n", lines),
    st.builds(lambda number: b":%d\r\n" % number, st.integers(-(2**63), 2**63 - 1)),
    st.builds(bulk, contents),
    st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b",1e3\r\n", b"(123\r\n", b"=5\r\ntxt:a\r\n"]),
    st.sampled_from([b"-ERR no\r\n", b"-LOADING wait\r\n", b"-X\r\n", b"!7\r\nBUSY no\r\n"]),
)
replies = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(
            lambda kind, ones: kind + b"%d\r\n" % len(ones) + b"".join(ones),
            st.sampled_from([b"*", b"~"]),
            st.lists(inner, max_size=3),
        ),
        st.builds(
            lambda ones: b"%%%d\r\n" % len(ones) + b"".join(a + b for a, b in ones),
            st.lists(st.tuples(inner, inner), max_size=2),
        ),
    ),
    max_leaves=6,
)
asides = st.one_of(
    st.just(b""), st.just(b""), st.sampled_from([b">1\r\n+x\r\n", b"|1\r\n+a\r\n*1\r\n:1\r\n", b">0\r\n", b"|0\r\n"])
)
nonsense = st.sampled_from([b"nonsense\r\n", b"$x\r\n", b"*-5\r\n", b"\r\n", b"$3\r\nabcd\r\n", b":1.5\r\n"])
redis_answers = st.builds(lambda aside, reply: aside + reply, asides, replies)

columns = st.one_of(st.none(), st.binary(max_size=30), values, st.integers(-5, 99).map(lambda one: b"%d" % one))
messages = st.one_of(
    st.builds(lambda several: row(*several), st.lists(columns, max_size=3)),
    st.builds(
        lambda verb, n: done(verb + b" %d" % n),
        st.sampled_from([b"UPDATE", b"INSERT 0", b"DELETE", b"COPY"]),
        st.integers(0, 10**6),
    ),
    st.sampled_from(
        [done(b"BEGIN"), done(b"CREATE TABLE"), message(b"1"), message(b"2"), message(b"n"), message(b"I")]
    ),
    st.sampled_from([message(b"T", b"\0\0"), message(b"N", b"Mhm\0\0"), message(b"S", b"a\0b\0"), message(b"s")]),
)
ends = st.one_of(
    *[st.just(ready())] * 8,
    *[st.sampled_from([failed(b"23505", b"the words"), failed(b"40001", b"others"), failed(b"XX000", b"")])] * 2,
    st.sampled_from([failed(b"57P01", b"bye", severity=b"FATAL"), message(b"G", bytes(3)) + ready(), b"nonsense"]),
)
postgresql_answers = st.builds(lambda several, end: b"".join(several) + end, st.lists(messages, max_size=5), ends)


@st.composite
def said(draw: st.DrawFn, answers: st.SearchStrategy[bytes]) -> tuple[list[bytes], bool]:
    """(pieces, closes): an answer in pieces, whole, or closed in its middle."""
    text = draw(answers)
    closes = draw(st.integers(0, 5)) == 0
    if closes:
        text = text[: draw(st.integers(0, len(text) - 1))]
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [piece for piece in pieces if piece], closes


Said = list[tuple[list[bytes], bool]]


def saying(answers: Said, hear: Callable[[Peer], Awaitable[object]]) -> Script:
    """The nth request of the whole run gets the nth answer."""
    turn = iter(answers)

    async def script(peer: Peer) -> None:
        while True:
            await hear(peer)
            pieces, closes = next(turn, ([], True))
            await peer.send(*pieces)
            if closes:
                return

    return script


def _hold_together(folder: Path, plan: Plan, new_script: Callable[[], Script], answers: Said) -> None:
    carried: dict[str, Carried] = {
        name: ENGINES[name](folder).carry(plan, new_script()) for name in ("portable", "native")
    }
    ours, theirs = carried["portable"].by_index, carried["native"].by_index
    for number in range(len(answers)):
        if ours["outcome"][number] in _CUT and theirs["outcome"][number] in _CUT:
            continue  # of nonsense that is cut, one may see that it is nonsense before the other
        for name in SAME:
            if ours["outcome"][number] not in NOT_COMPARED.get(name, ()):
                assert ours[name][number] == theirs[name][number], (name, number, answers[number])


READING = command_of(b"GET", b"k", check=Check.READ, key=3)
LOOKING = command_of(b"GET", b"k", check=Check.CONTAINS, needle=b"a")


def redis_plan(n_requests: int, pipeline: int) -> Plan:
    requests = (READING, LOOKING, command_of(b"X"))
    return redis_plan_of(n_requests, *requests, pipeline=pipeline, n_keys=9, n_existing=9, value_tag=TAG)


@together
@given(answers=st.lists(said(st.one_of(*[redis_answers] * 12, nonsense)), min_size=1, max_size=12))
def test_both_engines_read_redis_alike(folder: Path, answers: Said) -> None:
    _hold_together(folder, redis_plan(len(answers), 1), lambda: saying(answers, ScriptedRedis(b"").command), answers)


@together
@given(texts=st.lists(redis_answers, min_size=1, max_size=12), cut=st.integers(1, 40))
def test_both_engines_read_a_pipeline_alike(folder: Path, texts: list[bytes], cut: int) -> None:
    """All replies of a batch in one text, cut anywhere."""

    def new_script() -> Script:
        async def script(peer: Peer) -> None:
            for first in range(0, len(texts), 4):
                batch = texts[first : first + 4]
                for _ in batch:
                    await redis.command(peer)
                text = b"".join(batch)
                await peer.send(*(text[at : at + cut] for at in range(0, len(text), cut)))
            await peer.lost()

        redis = ScriptedRedis(b"")
        return script

    _hold_together(folder, redis_plan(len(texts), 4), new_script, [([text], False) for text in texts])


@together
@given(answers=st.lists(said(postgresql_answers), min_size=1, max_size=12))
def test_both_engines_read_postgresql_alike(folder: Path, answers: Said) -> None:
    requests = [
        request_of("SELECT v", check=Check.READ, key=3),
        request_of("SELECT id", check=Check.IDS, neighbours=(1, 2, 3, 50)),
        request_of("SELECT 1"),
    ]
    plan = postgresql_plan_of(len(answers), *requests, n_keys=9, n_existing=9, value_tag=TAG)
    _hold_together(folder, plan, lambda: saying(answers, ScriptedPostgresql(b"").query), answers)
