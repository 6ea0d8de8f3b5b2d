"""The native engine's reader and the portable one's say the same of the same answers."""

import json
from typing import Any

from cuts import cut_at
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.engine.answers import ErrorReader, Facts, MalformedError, Reader, clip_error, reader_for
from loadgen.plan.model import Wire

TEXT = st.none() | st.sampled_from(["", " ", "Hi", "é😀\n", '"}]}'])
WORDS = st.none() | st.sampled_from(["stop", "length", "tool_calls", "abort", ""])
COUNT = st.none() | st.integers(0, 2**31 - 1) | st.sampled_from([12.0, -1, "3"])
CALLS = st.none() | st.lists(st.just({"index": 0, "function": {"arguments": "{}"}}), max_size=1)


def shuffled(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of those members, in any order."""
    some = st.fixed_dictionaries({}, optional=members)
    return some.flatmap(lambda chosen: st.permutations(list(chosen.items())).map(dict))


TEXT_MEMBERS = {"role": st.just("assistant"), "content": TEXT, "tool_calls": CALLS}
DELTA = shuffled(TEXT_MEMBERS | {"reasoning_content": TEXT, "reasoning": TEXT, "refusal": TEXT})
CHOICE = shuffled({"index": st.just(0), "delta": DELTA, "message": DELTA, "text": TEXT, "finish_reason": WORDS})
USAGE = st.none() | shuffled({"prompt_tokens": COUNT, "completion_tokens": COUNT, "x": st.just({"prompt_tokens": 9})})
CHUNK = shuffled({"id": TEXT, "choices": st.lists(CHOICE, max_size=2), "usage": USAGE, "error": st.none()})
MESSAGE = shuffled(TEXT_MEMBERS | {"thinking": TEXT})
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
LINE = shuffled(
    {"message": MESSAGE, "response": TEXT, "thinking": TEXT, "done": st.booleans(), "done_reason": WORDS}
    | dict.fromkeys((*DURATIONS, "prompt_eval_count", "eval_count"), COUNT)
)
ERROR_TEXT = st.sampled_from(["out of memory", "the context length is\n 9", "é" * 80, "line 1\r\n line 2"])
ERROR = st.one_of(
    st.fixed_dictionaries({"error": ERROR_TEXT}),
    st.fixed_dictionaries({"error": shuffled({"message": ERROR_TEXT, "code": st.just("context_length_exceeded")})}),
    st.fixed_dictionaries({"error": st.fixed_dictionaries({"message": ERROR_TEXT}), "message": st.just("y")}),
    st.fixed_dictionaries(
        {"object": st.just("error"), "message": ERROR_TEXT, "type": st.just("x"), "code": st.just(1)}
    ),
    st.fixed_dictionaries({"object": st.just("error"), "detail": ERROR_TEXT}),
).filter(lambda document: document["error"] != {} if "error" in document else True)
BAD = st.sampled_from([b"{", b"[1]", b"oops", b'"x"', b'{"choices":}', b"{}{}"])
PLACES = st.lists(st.integers(0, 3000), max_size=8)


def native(probe: Any, reads: list[bytes], framing: str) -> tuple[Any, ...]:
    events, last, reason = probe.answer(reads, framing)
    names = ("prompt_tokens", "output_tokens", *(f"server_{name.replace('duration', 'ns')}" for name in DURATIONS))
    said = (*(last[name] for name in names), last["finish_reason"], last["is_refusal"])
    error = (last["error"], last["context_length_exceeded"]) if last["has_error"] else None
    return sum(event["has_content"] for event in events), said, error, reason is not None


def portable(reader: Reader, reads: list[bytes]) -> tuple[Any, ...]:
    is_bad = False
    try:
        for piece in reads:
            reader.feed(piece)
        reader.end()
    except MalformedError:
        is_bad = True
    facts: Facts = reader.facts
    durations = (facts.total_ns, facts.load_ns, facts.prompt_eval_ns, facts.eval_ns)
    said = (facts.prompt_tokens, facts.output_tokens, *durations, facts.finish_reason, facts.has_refused)
    error = None if facts.error is None else (clip_error(facts.error), facts.is_context_too_long)
    return facts.n_events, said, error, is_bad


@given(
    chunks=st.lists(CHUNK, max_size=5),
    ending=st.sampled_from([b"[DONE]", b"", b" [DONE] "]) | BAD | ERROR.map(lambda error: json.dumps(error).encode()),
    line_end=st.sampled_from([b"\n", b"\r", b"\r\n"]),
    places=PLACES,
)
@settings(max_examples=300, deadline=None)
def test_streams_of_openai(probe: Any, chunks: list[Any], ending: bytes, line_end: bytes, places: list[int]) -> None:
    datas = [*(json.dumps(chunk).encode() for chunk in chunks), ending]
    reads = cut_at(b"".join(b"data: " + data + 2 * line_end for data in datas), places)
    assert native(probe, reads, "sse") == portable(reader_for(Wire.OPENAI, 200, "text/event-stream"), reads)


@given(
    documents=st.lists(LINE, max_size=5),
    ending=st.sampled_from([b"", b"\n", b" \r\n"]) | BAD | ERROR.map(lambda error: json.dumps(error).encode()),
    places=PLACES,
)
@settings(max_examples=300, deadline=None)
def test_streams_of_ollama(probe: Any, documents: list[Any], ending: bytes, places: list[int]) -> None:
    reads = cut_at(b"".join(json.dumps(line).encode() + b"\n" for line in documents) + ending, places)
    assert native(probe, reads, "ndjson") == portable(reader_for(Wire.OLLAMA, 200, ""), reads)


@given(document=CHUNK | ERROR, places=PLACES)
@settings(max_examples=200, deadline=None)
def test_single_documents(probe: Any, document: Any, places: list[int]) -> None:
    reads = cut_at(json.dumps(document, indent=1).encode(), places)
    assert native(probe, reads, "document") == portable(reader_for(Wire.OPENAI, 200, "application/json"), reads)


@given(document=ERROR | st.fixed_dictionaries({"detail": ERROR_TEXT}), places=PLACES)
@settings(max_examples=200, deadline=None)
def test_bodies_of_failed_requests(probe: Any, document: Any, places: list[int]) -> None:
    reads = cut_at(json.dumps(document).encode(), places)
    _, last, _ = probe.answer(reads, "error")
    assert portable(ErrorReader(), reads)[2] == (last["error"], last["context_length_exceeded"])
