"""The native engine's reader and the portable one's say the same of the same answers."""

import json
from typing import Any

from cuts import cut_at
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.engine.portable.answers import ErrorReader, Reader, reader_for
from loadgen.engine.portable.facts import Facts, MalformedError, clip_code, clip_error, error_texts
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
CODE = st.none() | st.integers(0, 500) | st.sampled_from(["", "context_length_exceeded", "server error", "é" * 20])
ERROR_MEMBERS = {"message": ERROR_TEXT, "code": CODE, "type": CODE}
ERROR = st.one_of(
    st.fixed_dictionaries({"error": ERROR_TEXT}, optional={"message": st.just("") | ERROR_TEXT, "code": CODE}),
    st.fixed_dictionaries(
        {"error": shuffled(ERROR_MEMBERS).filter(bool)}, optional=ERROR_MEMBERS | {"status": st.just(500)}
    ),
    st.fixed_dictionaries({"object": st.just("error"), "message": ERROR_TEXT}, optional={"type": CODE, "code": CODE}),
    st.fixed_dictionaries({"object": st.just("error"), "detail": ERROR_TEXT}),
).filter(lambda document: any(isinstance(text, str) and text for text in error_texts(document)))
FAILURE = ERROR | st.one_of(
    st.fixed_dictionaries({"detail": ERROR_TEXT}),
    st.fixed_dictionaries({"status": st.fixed_dictionaries({"error": ERROR_TEXT})}, optional={"time": st.just(0.1)}),
    st.fixed_dictionaries({"message": ERROR_TEXT}, optional={"type": CODE, "code": CODE}),
)
BAD = st.sampled_from([b"{", b"[1]", b"oops", b'"x"', b'{"choices":}', b"{}{}"])
PLACES = st.lists(st.integers(0, 3000), max_size=8)


def native(probe: Any, reads: list[bytes], framing: str) -> tuple[Any, ...]:
    events, last, reason = probe.answer(reads, framing)
    names = ("prompt_tokens", "output_tokens", *(f"server_{name.replace('duration', 'ns')}" for name in DURATIONS))
    said = (*(last[name] for name in names), last["finish_reason"], last["is_refusal"])
    error = (last["error"], last["error_code"], last["context_length_exceeded"]) if last["has_error"] else None
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
    error = (clip_error(facts.error or ""), clip_code(facts.error_code), facts.is_context_too_long)
    return facts.n_events, said, None if facts.error is None else error, is_bad


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
    assert native(probe, reads, "sse") == portable(reader_for(Wire.OPENAI, True, "text/event-stream", None), reads)


@given(
    documents=st.lists(LINE, max_size=5),
    ending=st.sampled_from([b"", b"\n", b" \r\n"]) | BAD | ERROR.map(lambda error: json.dumps(error).encode()),
    places=PLACES,
)
@settings(max_examples=300, deadline=None)
def test_streams_of_ollama(probe: Any, documents: list[Any], ending: bytes, places: list[int]) -> None:
    reads = cut_at(b"".join(json.dumps(line).encode() + b"\n" for line in documents) + ending, places)
    assert native(probe, reads, "ndjson") == portable(reader_for(Wire.OLLAMA, True, "", None), reads)


@given(document=CHUNK | ERROR, places=PLACES)
@settings(max_examples=200, deadline=None)
def test_single_documents(probe: Any, document: Any, places: list[int]) -> None:
    reads = cut_at(json.dumps(document, indent=1).encode(), places)
    assert native(probe, reads, "document") == portable(reader_for(Wire.OPENAI, True, "application/json", None), reads)


@given(document=FAILURE, places=PLACES)
@settings(max_examples=200, deadline=None)
def test_bodies_of_failed_requests(probe: Any, document: Any, places: list[int]) -> None:
    reads = cut_at(json.dumps(document).encode(), places)
    _, last, _ = probe.answer(reads, "error")
    assert portable(ErrorReader(), reads)[2] == (last["error"], last["error_code"], last["context_length_exceeded"])


@given(
    code=st.sampled_from(["NoSuchKey", "SlowDown", "InvalidAccessKeyIdOrOtherwiseLong"]),
    message=ERROR_TEXT.map(str.strip),
    prefix=st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>\n']),
    places=PLACES,
)
@settings(deadline=None)
def test_xml_bodies_of_failed_requests(probe: Any, code: str, message: str, prefix: str, places: list[int]) -> None:
    body = f"{prefix}<Error><Code>{code}</Code><Message>{message}</Message><Resource>/b/k</Resource></Error>"
    reads = cut_at(body.encode(), places)
    _, last, _ = probe.answer(reads, "error")
    assert portable(ErrorReader(), reads)[2][:2] == (last["error"], last["error_code"])
