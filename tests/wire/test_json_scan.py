"""JSON documents: whether they are any, and what they say of an answer."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import UNKNOWN, Facts, excerpt, facts_of, is_json_object

from loadgen.records import FinishReason


def known(facts: Facts) -> dict[str, Any]:
    """A reference's facts as the probe gives them."""
    return {**vars(facts), "error": excerpt(facts.error.encode(errors="replace"))}


def read(probe: Any, reads: list[bytes]) -> tuple[dict[str, Any], str | None]:
    facts = probe.json_facts(reads)
    facts.pop("names_context_length")
    return facts, facts.pop("reason")


NOTHING: dict[str, Any] = {}
CONTENT = {"has_content": True}

SAYS = {
    "a chunk with content": ('{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}', CONTENT),
    "a role alone": ('{"choices":[{"delta":{"role":"assistant","content":""}}]}', NOTHING),
    "content that is null": ('{"choices":[{"delta":{"role":"assistant","content":null}}]}', NOTHING),
    "a blank is content": ('{"choices":[{"delta":{"content":" "}}]}', CONTENT),
    "an escape is content": (r'{"choices":[{"delta":{"content":"\n"}}]}', CONTENT),
    "a lone surrogate is content": (r'{"choices":[{"delta":{"content":"\ud83d"}}]}', CONTENT),
    "reasoning_content": ('{"choices":[{"delta":{"reasoning_content":"so"}}]}', CONTENT),
    "reasoning": ('{"choices":[{"delta":{"content":null,"reasoning":"so"}}]}', CONTENT),
    "tool calls": ('{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}', CONTENT),
    "no tool calls": ('{"choices":[{"delta":{"tool_calls":[]}}]}', NOTHING),
    "tool calls that are null": ('{"choices":[{"delta":{"tool_calls":null}}]}', NOTHING),
    "a refusal is no content": ('{"choices":[{"delta":{"refusal":"No."}}]}', {"is_refusal": True}),
    "no refusal": ('{"choices":[{"delta":{"refusal":null}},{"delta":{"refusal":""}}]}', NOTHING),
    "parts with text": ('{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}', CONTENT),
    "parts without text": ('{"choices":[{"delta":{"content":[{"type":"text","text":""},{"x":"y"}, "z"]}}]}', NOTHING),
    "content that is an object": ('{"choices":[{"delta":{"content":{"text":"a"}}}]}', NOTHING),
    "a whole message": (
        '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
        {**CONTENT, "finish_reason": FinishReason.STOP, "prompt_tokens": 3, "output_tokens": 4},
    ),
    "a completion": ('{"choices":[{"text":"Hi","finish_reason":"length"}]}', {**CONTENT, "finish_reason": FinishReason.LENGTH}),
    "the second choice": ('{"choices":[{"delta":{}},{"delta":{"content":"b"}}]}', CONTENT),
    "finish reasons": ('{"choices":[{"finish_reason":"tool_calls"}]}', {"finish_reason": FinishReason.TOOL_CALLS}),
    "an old finish reason": ('{"choices":[{"finish_reason":"function_call"}]}', {"finish_reason": FinishReason.TOOL_CALLS}),
    "a filter": ('{"choices":[{"finish_reason":"content_filter"}]}', {"finish_reason": FinishReason.CONTENT_FILTER}),
    "another reason": ('{"choices":[{"finish_reason":"abort"}]}', {"finish_reason": FinishReason.OTHER}),
    "a long reason": ('{"choices":[{"finish_reason":"' + "stop" * 9 + '"}]}', {"finish_reason": FinishReason.OTHER}),
    "a reason written with escapes": (r'{"choices":[{"finish_reason":"\u0073t\u006Fp"}]}', {"finish_reason": FinishReason.STOP}),
    "an empty reason": ('{"choices":[{"finish_reason":""}]}', NOTHING),
    "usage that is null": ('{"choices":[],"usage":null}', NOTHING),
    "usage in another place": ('{"choices":[{"usage":{"prompt_tokens":3}}],"x":{"usage":{"prompt_tokens":3}}}', NOTHING),
    "usage before the choices": ('{"usage":{"completion_tokens":7,"prompt_tokens":0},"choices":[]}', {"prompt_tokens": 0, "output_tokens": 7}),
    "details of usage": (
        '{"usage":{"completion_tokens":7,"completion_tokens_details":{"completion_tokens":9,"prompt_tokens":9}}}',
        {"output_tokens": 7},
    ),
    "counts in other forms": ('{"usage":{"prompt_tokens":1.2e1,"completion_tokens":640E-1}}', {"prompt_tokens": 12, "output_tokens": 64}),
    "counts that are none": ('{"usage":{"prompt_tokens":"12","completion_tokens":-3}}', NOTHING),
    "counts that are too large": ('{"usage":{"prompt_tokens":1e30,"completion_tokens":2147483648}}', {"prompt_tokens": 2**31 - 1, "output_tokens": 2**31 - 1}),
    "keys written with escapes": (r'{"\u0063hoices":[{"d\u0065lta":{"conten\u0074":"x"}}]}', CONTENT),
    "a key with a surrogate before it": (r'{"choices":[{"delta":{"\ud800content":"x"}}]}', NOTHING),
    "a key with a surrogate after it": (r'{"choices":[{"delta":{"content\udc00":"x"}}]}', NOTHING),
    "a pair of surrogates in a key": (r'{"choices":[{"delta":{"\ud83d\ude00content":"x"}}]}', NOTHING),
    "NUL in a key": (r'{"choices":[{"delta":{"content\u0000":"x"}}]}', NOTHING),
    "a key longer than any that is known": ('{"' + "x" * 300 + '":{"choices":1},"choices' + "x" * 30 + '":[]}', NOTHING),
    "decoys in strings": (
        r'{"x":"\"choices\":[{\"delta\":{\"content\":\"a\"}}]","error_":"{\"error\":1}","y":["usage",{"prompt_tokens":1}]}',
        NOTHING,
    ),
    "the right keys in wrong places": ('{"delta":{"content":"x"},"content":"x","text":"x","choices":{"delta":{"content":"x"}}}', NOTHING),
    "choices in choices": ('{"choices":[{"choices":[{"delta":{"content":"x"}}]},[{"delta":{"content":"x"}}]]}', NOTHING),
    "white space everywhere": (' \t\r\n{ "choices" : [ { "delta"\n:\r{ "content"\t: "x" } } , { } ] } \n', CONTENT),
    "a line of Ollama's chat": ('{"model":"m","message":{"role":"assistant","content":"x"},"done":false}', CONTENT),
    "Ollama's thinking": ('{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}', CONTENT),
    "Ollama's tool calls": ('{"message":{"content":"","tool_calls":[{"function":{}}]},"done":false}', CONTENT),
    "a line of Ollama's generate": ('{"model":"m","response":"x","done":false}', CONTENT),
    "generate's thinking": ('{"response":"","thinking":"x","done":false}', CONTENT),
    "Ollama's last line": (
        '{"message":{"content":""},"done":true,"done_reason":"length","total_duration":174560334,"load_duration":101397084,'
        '"prompt_eval_count":26,"prompt_eval_duration":13074791,"eval_count":298,"eval_duration":52479709}',
        {
            "is_done": True, "finish_reason": FinishReason.LENGTH, "prompt_tokens": 26, "output_tokens": 298,
            "total_ns": 174560334, "load_ns": 101397084, "prompt_eval_ns": 13074791, "eval_ns": 52479709,
        },
    ),
    "done that is no true": ('{"done":1,"x":{"done":true},"y":["done",true]}', NOTHING),
    "Ollama's error": ('{"error":"model not found"}', {"has_error": True, "error": b"model not found"}),
    "OpenAI's error": (
        '{"error":{"message":"No key","type":"auth","code":"invalid_api_key","param":null}}',
        {"has_error": True, "error": b"No key"},
    ),
    "an error with its message first and last": (
        '{"error":{"code":400,"type":"a","message":"b","param":{"message":"c"}}}', {"has_error": True, "error": b"b"},
    ),
    "an error without a message": ('{"error":{"code":"rate_limited"}}', {"has_error": True, "error": b"rate_limited"}),
    "an error that is null": ('{"error":null,"choices":[{"error":"x"}]}', NOTHING),
    "an error that is empty or false": ('{"error":"","x":1}', NOTHING),
    "an error that is false": ('{"error":false}', NOTHING),
    "an error that is a number": ('{"error":7}', {"has_error": True}),
    "an error that is true": ('{"error":true}', {"has_error": True}),
    "an error that is an empty object": ('{"error":{}}', {"has_error": True}),
    "vLLM's older error": (
        '{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}',
        {"has_error": True, "error": b"too long"},
    ),
    "vLLM's older error, another way round": (
        '{"code":400,"type":"BadRequestError","message":"too long","object":"error"}',
        {"has_error": True, "error": b"too long"},
    ),
    "a message that is no error": ('{"object":"chat.completion","message":"x"}', {"error": b"x"}),
    "FastAPI's detail": ('{"detail":"Not Found"}', {"error": b"Not Found"}),
    "FastAPI's list of details": ('{"detail":[{"loc":["body"],"msg":"Field required","type":"missing"}]}', {"error": b"Field required"}),
    "an error with escapes": (r'{"error":"a\n\tb \"c\" \u00e9\ud83d\ude00 \/\b\f\\"}', {"has_error": True, "error": 'a b "c" é😀 / \\'.encode()}),
    "an error longer than a record holds": ('{"error":"' + "é" * 80 + '"}', {"has_error": True, "error": "é".encode() * 54}),
    "an empty object": ("{}", NOTHING),
}  # fmt: skip


@pytest.mark.parametrize(("document", "said"), SAYS.values(), ids=SAYS)
def test_a_document_says_the_same_wherever_it_is_cut(probe: Any, document: str, said: dict[str, Any]) -> None:
    expected = {**vars(Facts()), "error": b"", **said}
    assert known(facts_of(json.loads(document))) == expected
    for reads in every_cut(document.encode()):
        assert read(probe, reads) == (expected, None), reads


GOOD = [
    r'{"a":"\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00"}',
    '{"a":[0,-0,0.0,-1.5e10,1E+2,1e-2,123456789012345678901234567890]}',
    '{"a":[true,false,null,{},[],[[]],{"b":{}}]}',
    '{"":""}',
    '{"a":"\x7f\u00e9\u2028\U0001f600"}',
    '{"a":' * 63 + "1" + "}" * 63,
    '{"a":' + "[" * 63 + "]" * 63 + "}",
    '{"a":"' + "x" * 100 + '"}',
]


@pytest.mark.parametrize("document", GOOD)
def test_good_json_is_read_wherever_it_is_cut(probe: Any, document: str) -> None:
    for reads in every_cut(document.encode()):
        assert read(probe, reads)[1] is None, reads


BAD = {
    "empty": ("", "cut off"),
    "blank": (" \n", "cut off"),
    "text": ("hello", "not a JSON object"),
    "a string": ('"a"', "not a JSON object"),
    "an array": ("[{}]", "not a JSON object"),
    "a number": ("1", "not a JSON object"),
    "null": ("null", "not a JSON object"),
    "NaN": ('{"a":NaN}', "not a JSON object"),
    "a word": ('{"a":nul}', "not a JSON object"),
    "a word that goes on": ('{"a":trueish}', "not a JSON object"),
    "a cut word": ('{"a":tru', "cut off"),
    "a bare key": ("{a:1}", "not a JSON object"),
    "a single quote": ("{'a':1}", "not a JSON object"),
    "no colon": ('{"a" 1}', "not a JSON object"),
    "two colons": ('{"a"::1}', "not a JSON object"),
    "no value": ('{"a":}', "not a JSON object"),
    "no comma": ('{"a":1 "b":2}', "not a JSON object"),
    "a comma at the end": ('{"a":1,}', "not a JSON object"),
    "a comma at the end of an array": ('{"a":[1,]}', "not a JSON object"),
    "a comma at the start": ('{,"a":1}', "not a JSON object"),
    "a comma at the start of an array": ('{"a":[,1]}', "not a JSON object"),
    "the wrong bracket": ('{"a":[1}', "not a JSON object"),
    "the wrong brace": ('{"a":1]', "not a JSON object"),
    "a comment": ('{"a":1/**/}', "not a JSON object"),
    "another document": ("{} {}", "followed by"),
    "junk after it": ("{}x", "followed by"),
    "NUL after it": ("{}\0", "followed by"),
    "a byte order mark": ("\ufeff{}", "not a JSON object"),
    "a cut object": ('{"a":1', "cut off"),
    "a cut string": ('{"a":"b', "cut off"),
    "a cut escape": ('{"a":"\\u12', "cut off"),
    "a line feed in a string": ('{"a":"b\nc"}', "control character"),
    "a line feed in a key": ('{"a\n":1}', "control character"),
    "a tab in a string": ('{"a":"\t"}', "control character"),
    "NUL in a string": ('{"a":"long enough to be read by words\0"}', "control character"),
    "an unknown escape": (r'{"a":"\x41"}', "bad escape"),
    "an escape of a quote": (r"""{"a":"\'"}""", "bad escape"),
    "an escape with a bad digit": (r'{"a":"\u00g0"}', "bad escape"),
    "an escape in a key that is bad": (r'{"\u00":1}', "bad escape"),
    "a leading zero": ('{"a":01}', "number"),
    "a minus alone": ('{"a":-}', "number"),
    "a minus before a zero": ('{"a":-01}', "number"),
    "a plus": ('{"a":+1}', "not a JSON object"),
    "a point without digits": ('{"a":1.}', "number"),
    "a point at the start": ('{"a":.5}', "not a JSON object"),
    "an exponent without digits": ('{"a":1e}', "number"),
    "an exponent with two signs": ('{"a":1e+-1}', "number"),
    "two exponents": ('{"a":1e1e1}', "not a JSON object"),
    "two points": ('{"a":1.2.3}', "not a JSON object"),
    "hexadecimal": ('{"a":0x1}', "not a JSON object"),
    "nested too deep": ('{"a":' * 65, "deeper than 64"),
    "arrays nested too deep": ('{"a":' + "[" * 64, "deeper than 64"),
}


@pytest.mark.parametrize(("document", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_json_object_is_refused_wherever_it_is_cut(probe: Any, document: str, reason: str) -> None:
    assert "deeper" in reason or not is_json_object(document.encode())
    for reads in every_cut(document.encode()):
        assert reason in (read(probe, reads)[1] or ""), reads


KEYS = [
    *("choices", "delta", "message", "content", "reasoning_content", "reasoning", "tool_calls", "refusal", "text"),
    *("finish_reason", "usage", "prompt_tokens", "completion_tokens", "error", "code", "type", "object", "detail", "msg"),
    *("response", "thinking", "done", "done_reason", "prompt_eval_count", "eval_count", "total_duration"),
    *("load_duration", "prompt_eval_duration", "eval_duration", "", "x", 'q"\\', "é😀", "choice", "choicess"),
]
NUMBERS = st.one_of(
    st.integers(-5, 300),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "stop", "length", "error", "Hi", *KEYS]), st.text(max_size=12)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
CALLS = st.none() | st.lists(st.just({"id": "1"}), max_size=2)
DELTAS = st.fixed_dictionaries(
    {}, optional={name: st.none() | st.text(max_size=3) | VALUES for name in ("content", "refusal", "x")} | {"tool_calls": CALLS}
)
CHOICES = st.lists(
    st.fixed_dictionaries({}, optional={"delta": DELTAS, "finish_reason": LEAVES, "text": LEAVES, "index": NUMBERS}), max_size=3
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8) | st.fixed_dictionaries(
    {"choices": CHOICES},
    optional={"usage": st.none() | st.fixed_dictionaries({"prompt_tokens": NUMBERS, "completion_tokens": NUMBERS}), "id": LEAVES},
)


class Scribe:
    """Writes a document as JSON in one of the many ways there are."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def blank(self) -> str:
        return self.random.choice(["", "", "", " ", "\n", "\t\r"])

    def text(self, text: str) -> str:
        units = text.encode("utf-16-be", "surrogatepass")
        pairs = [f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)]
        return json.dumps(text, ensure_ascii=self.random.random() < 0.5) if self.random.random() < 0.7 else f'"{"".join(pairs)}"'

    def number(self, number: float) -> str:
        if isinstance(number, int) and number and self.random.random() < 0.3:
            return self.random.choice([f"{number}.0", f"{number}e0", f"{number}.000E+00", f"{number}00e-2"])
        return repr(number)

    def write(self, value: Any) -> str:
        if isinstance(value, dict):
            members = [f"{self.text(key)}{self.blank()}:{self.write(inner)}" for key, inner in value.items()]
            written = "{" + f"{self.blank()},{self.blank()}".join(members) + self.blank() + "}"
        elif isinstance(value, list):
            written = "[" + ",".join(map(self.write, value)) + self.blank() + "]"
        elif isinstance(value, str):
            written = self.text(value)
        elif isinstance(value, bool) or value is None:
            written = json.dumps(value)
        else:
            written = self.number(value)
        return self.blank() + written + self.blank()


def settled(document: dict[str, Any]) -> dict[str, Any]:
    """Without what two readers may rightly see in two ways: the last of several that say the same thing in other words."""
    kept = dict(document)
    error = kept.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), str) and isinstance(error.get("type"), str):
        kept["error"] = {name: inner for name, inner in error.items() if name != "type"}
    for rival, name in (("prompt_eval_count", "usage"), ("eval_count", "usage"), ("done_reason", "choices"), ("code", "type")):
        if name in kept:
            kept.pop(rival, None)
    for vague in ("type", "code", "detail"):
        kept.pop(vague, None)
    return kept


@given(document=DOCUMENTS, seed=st.integers(0, 2**32), places=st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=300, deadline=None)
def test_generated_documents_say_what_the_reference_says(
    probe: Any, document: dict[str, Any], seed: int, places: list[int]
) -> None:
    document = settled(document)
    written = Scribe(seed).write(document).encode("utf-8", "surrogatepass")
    expected = known(facts_of(json.loads(written.decode("utf-8", "surrogatepass"))))
    assert read(probe, cut_at(written, places)) == (expected, None)


@given(
    document=DOCUMENTS,
    seed=st.integers(0, 2**32),
    at=st.integers(0, 2000),
    junk=st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b"e", b".", b"\n", b"\0", b"x", b" "]),
    n_cut=st.integers(0, 2),
    places=st.lists(st.integers(0, 2000), max_size=8),
)
@settings(max_examples=500, deadline=None)
def test_damaged_documents_are_refused_when_the_json_module_refuses_them(
    probe: Any, document: dict[str, Any], seed: int, at: int, junk: bytes, n_cut: int, places: list[int]
) -> None:
    written = Scribe(seed).write(document).encode("utf-8", "surrogatepass")
    at %= len(written) + 1
    damaged = written[:at] + junk + written[at + n_cut :]
    assert (read(probe, cut_at(damaged, places))[1] is None) == is_json_object(damaged)
    assert read(probe, cut_at(damaged, places)) == read(probe, [damaged])


DIGITS = st.text("0123456789", min_size=1, max_size=25)


@given(
    sign=st.sampled_from(["", "-"]),
    whole=DIGITS.map(lambda text: text.lstrip("0") or "0"),
    fraction=st.just("") | DIGITS.map(lambda text: f".{text}"),
    exponent=st.just("") | st.tuples(st.sampled_from(["e", "E", "e+", "e-"]), st.integers(0, 40)).map(lambda t: f"{t[0]}{t[1]}"),
)
@settings(max_examples=500, deadline=None)
def test_a_number_of_any_form_is_a_whole_one_of_18_digits_towards_zero(
    probe: Any, sign: str, whole: str, fraction: str, exponent: str
) -> None:
    n_digits = 0
    kept = ""
    for digit in whole + fraction:
        n_digits += digit.isdigit() and (n_digits > 0 or digit != "0")
        kept += "0" if digit.isdigit() and n_digits > 18 else digit
    exact = Decimal(sign + kept + exponent)
    limited = max(min(exact, Decimal(2**63 - 1)), Decimal(-(2**63 - 1)))
    assert probe.json_number((sign + whole + fraction + exponent).encode()) == int(limited)


@pytest.mark.parametrize("text", [b"1e999999999999", b"9" * 400, b"1" + b"0" * 3000000, b"0.1e1000001"])
def test_a_number_beyond_all_bounds_is_the_largest(probe: Any, text: bytes) -> None:
    assert probe.json_number(text) == 2**63 - 1


@pytest.mark.parametrize("text", [b"0e999999999999", b"0." + b"0" * 3000000 + b"1", b"1e-999999999999", b"-0", b"0.0e-0"])
def test_a_number_too_small_to_count_is_zero(probe: Any, text: bytes) -> None:
    assert probe.json_number(text) == 0


def test_what_was_known_before_a_null_stays_known(probe: Any) -> None:
    first = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    events, last, reason = probe.answer([first, b'data: {"choices":[],"usage":null}\n\n'], "sse")
    assert reason is None
    assert (last["prompt_tokens"], last["output_tokens"]) == (3, 1)
    assert UNKNOWN not in (events[0]["prompt_tokens"], events[1]["output_tokens"])
