"""Both engines must read the same answers as the same records: each is the other's oracle.

# Invariant: for any stream of events, framed, cut and closed anywhere, outcome, events and tokens are the same.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dialects import OLLAMA_END, delta, event, ollama_line, usage
from engines import ENGINES
from harness import Carried
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plans import ollama_plan_of, plan_of
from scripted import Answer, Asked, Peer, chunked, each

from loadgen.plan.model import Plan
from loadgen.records import Outcome

SAME = (
    *(
        "outcome",
        "n_events",
        "n_gaps",
        "prompt_tokens",
        "output_tokens",
        "token_source",
        "finish_reason",
        "http_status",
    ),
    *("server_total_ns", "server_load_ns", "server_prompt_eval_ns", "server_eval_ns", "error", "error_code"),
    *("payload", "phase", "n_items", "n_hits", "checked"),
)
IN_THEIR_OWN_WORDS = {
    "error": (Outcome.PROTOCOL_ERROR,),
    "http_status": (Outcome.RESET,),  # of a head that was cut, only one of the two may have read the status line
}

words = st.text(max_size=12)
counts = st.one_of(st.none(), st.integers(-1, 2**33), st.floats(0, 1e6), st.booleans(), st.just("7"))
finishes = st.sampled_from([None, "", "stop", "length", "tool_calls", "content_filter", "abort"])
oddities = st.dictionaries(
    st.sampled_from(["id", "object", "text", "content", "choices2", "usage2", "created", "x"]),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), words),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    said = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "role": st.just("assistant"),
                "content": st.none() | words,
                "reasoning_content": st.none() | words,
                "reasoning": words,
                "tool_calls": st.sampled_from([[], [{"index": 0}]]),
                "refusal": st.none() | words,
            },
        )
    )
    choice: dict[str, Any] = {"index": 0, draw(st.sampled_from(["delta", "message"])): said}
    if draw(st.booleans()):
        choice["finish_reason"] = draw(finishes)
    return dict(draw(st.permutations(list(choice.items()))))


chat_documents = st.one_of(
    st.builds(delta, words, finish=finishes),
    st.builds(lambda several, odd: {**odd, "choices": several}, st.lists(choices(), max_size=3), oddities),
    st.builds(usage, st.integers(0, 9999), st.integers(0, 9999)),
    st.builds(lambda a, b: {"choices": [], "usage": {"prompt_tokens": a, "completion_tokens": b}}, counts, counts),
    st.builds(lambda word: {"choices": [{"text": word}]}, words),
    oddities,
)
errors = st.one_of(
    st.sampled_from([{"error": {"message": "broken\x0e\n \u00e9", "code": "c"}}, {"error": "broken\x0e\n \u00e9"}]),
    st.just({"error": None}),
)
ollama_documents = st.one_of(
    st.builds(lambda word: json.loads(ollama_line(word)), words),
    st.builds(lambda word, end: {"response": word, **end}, words, st.sampled_from([{}, OLLAMA_END])),
    st.builds(lambda a, b: {"done": True, "eval_count": a, "total_duration": b}, counts, counts),
    oddities,
)


def texts_of(document: Any, ascii_only: bool) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def streams(draw: st.DrawFn, documents: st.SearchStrategy[Any], frame: Callable[[bytes], bytes]) -> bytes:
    """The body of a stream: documents, now and then an error, a comment or nonsense, and perhaps the end mark."""
    said = draw(st.lists(st.one_of(documents, documents, documents, errors), max_size=6))
    parts = [frame(texts_of(document, draw(st.booleans()))) for document in said]
    if draw(st.integers(0, 9)) == 0:
        nonsense = draw(st.sampled_from([b"{", b"nonsense", b'{"a":}', b"[1,]", b'{"a":"\x01"}']))
        parts.insert(draw(st.integers(0, len(parts))), frame(nonsense))
    return b"".join(parts)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    body = draw(streams(chat_documents, lambda text: b"data: " + text + b"\n\n"))
    body += draw(st.sampled_from([b"", b"data: [DONE]\n\n", b": bye\n\n", b"data: {"]))
    return body.replace(b"\n", draw(st.sampled_from([b"\n", b"\r", b"\r\n"])))


@st.composite
def framed(draw: st.DrawFn, bodies: st.SearchStrategy[bytes], content_type: str) -> bytes:
    """The body as an answer, by length or in chunks cut anywhere."""
    body = draw(bodies)
    if draw(st.booleans()):
        return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    return chunked([piece for piece in _cut(draw, body) if piece], content_type)


def _cut(draw: st.DrawFn, text: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn, wholes: st.SearchStrategy[bytes]) -> tuple[list[bytes], bool]:
    """(pieces, closes): an answer in pieces, whole, or closed in its middle."""
    text = draw(wholes)
    closes = draw(st.integers(0, 3)) == 0
    if closes:
        text = text[: draw(st.integers(0, len(text) - 1))]
    return [piece for piece in _cut(draw, text) if piece], closes


def _said(pieces: list[bytes], closes: bool) -> Answer:
    async def answer(peer: Peer, asked: Asked) -> None:
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(0)
        if closes:
            await peer.close()

    return answer


def _hold_together(folder: Path, plan: Plan, said: list[tuple[list[bytes], bool]]) -> None:
    carried: dict[str, Carried] = {
        name: ENGINES[name](folder).carry(plan, each(*(_said(*one) for one in said)), resent=None)
        for name in ("portable", "native")
    }
    ours, theirs = carried["portable"].by_index, carried["native"].by_index
    for number in range(len(said)):
        for name in SAME:
            if ours["outcome"][number] in IN_THEIR_OWN_WORDS.get(name, ()):
                continue
            assert ours[name][number] == theirs[name][number], (name, said[number])


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


@together
@given(said=st.lists(answers(framed(events(), "text/event-stream")), min_size=1, max_size=12))
def test_both_engines_read_a_chat_stream_alike(folder: Path, said: list[tuple[list[bytes], bool]]) -> None:
    _hold_together(folder, plan_of(len(said)), said)


@together
@given(
    said=st.lists(
        answers(framed(streams(ollama_documents, lambda text: text + b"\n"), "application/x-ndjson")),
        min_size=1,
        max_size=12,
    )
)
def test_both_engines_read_an_ollama_stream_alike(folder: Path, said: list[tuple[list[bytes], bool]]) -> None:
    _hold_together(folder, ollama_plan_of(len(said)), said)


@together
@given(
    said=st.lists(
        answers(framed(st.one_of(chat_documents, errors).map(lambda one: texts_of(one, True)), "application/json")),
        min_size=1,
        max_size=12,
    )
)
def test_both_engines_read_a_document_alike(folder: Path, said: list[tuple[list[bytes], bool]]) -> None:
    _hold_together(folder, plan_of(len(said)), said)


def test_an_event_is_the_same_in_both(folder: Path) -> None:
    _hold_together(folder, plan_of(1), [([chunked([event(delta("a"))])], False)])
