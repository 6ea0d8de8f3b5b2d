"""JSON documents: whether they are any, and what they say of an answer."""

import json
from typing import Any

import pytest
from cuts import every_cut
from reference import Facts, facts_of, is_json_object, known_facts

from loadgen.records import FinishReason


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
    "a part that refuses": (
        '{"choices":[{"delta":{"content":[{"type":"refusal","refusal":"No."}]}}]}',
        {"is_refusal": True},
    ),
    "content that is an object": ('{"choices":[{"delta":{"content":{"text":"a"}}}]}', NOTHING),
    "a whole message": (
        '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
        {**CONTENT, "finish_reason": FinishReason.STOP, "prompt_tokens": 3, "output_tokens": 4},
    ),
    "a completion": (
        '{"choices":[{"text":"Hi","finish_reason":"length"}]}',
        {**CONTENT, "finish_reason": FinishReason.LENGTH},
    ),
    "the second choice": ('{"choices":[{"delta":{}},{"delta":{"content":"b"}}]}', CONTENT),
    "finish reasons": ('{"choices":[{"finish_reason":"tool_calls"}]}', {"finish_reason": FinishReason.TOOL_CALLS}),
    "an old finish reason": (
        '{"choices":[{"finish_reason":"function_call"}]}',
        {"finish_reason": FinishReason.TOOL_CALLS},
    ),
    "a filter": ('{"choices":[{"finish_reason":"content_filter"}]}', {"finish_reason": FinishReason.CONTENT_FILTER}),
    "another reason": ('{"choices":[{"finish_reason":"abort"}]}', {"finish_reason": FinishReason.OTHER}),
    "a long reason": ('{"choices":[{"finish_reason":"' + "stop" * 9 + '"}]}', {"finish_reason": FinishReason.OTHER}),
    "a reason written with escapes": (
        r'{"choices":[{"finish_reason":"\u0073t\u006Fp"}]}',
        {"finish_reason": FinishReason.STOP},
    ),
    "an empty reason": ('{"choices":[{"finish_reason":""}]}', NOTHING),
    "usage that is null": ('{"choices":[],"usage":null}', NOTHING),
    "usage in another place": (
        '{"choices":[{"usage":{"prompt_tokens":3}}],"x":{"usage":{"prompt_tokens":3}}}',
        NOTHING,
    ),
    "usage before the choices": (
        '{"usage":{"completion_tokens":7,"prompt_tokens":0},"choices":[]}',
        {"prompt_tokens": 0, "output_tokens": 7},
    ),
    "details of usage": (
        '{"usage":{"completion_tokens":7,"completion_tokens_details":{"completion_tokens":9,"prompt_tokens":9}}}',
        {"output_tokens": 7},
    ),
    "counts in other forms": (
        '{"usage":{"prompt_tokens":1.2e1,"completion_tokens":640E-1}}',
        {"prompt_tokens": 12, "output_tokens": 64},
    ),
    "counts that are none": ('{"usage":{"prompt_tokens":"12","completion_tokens":-3}}', NOTHING),
    "counts that are too large": (
        '{"usage":{"prompt_tokens":1e30,"completion_tokens":2147483648}}',
        {"prompt_tokens": 2**31 - 1, "output_tokens": 2**31 - 1},
    ),
    "keys written with escapes": (r'{"\u0063hoices":[{"d\u0065lta":{"conten\u0074":"x"}}]}', CONTENT),
    "a key with a surrogate before it": (r'{"choices":[{"delta":{"\ud800content":"x"}}]}', NOTHING),
    "a key with a surrogate after it": (r'{"choices":[{"delta":{"content\udc00":"x"}}]}', NOTHING),
    "a pair of surrogates in a key": (r'{"choices":[{"delta":{"\ud83d\ude00content":"x"}}]}', NOTHING),
    "NUL in a key": (r'{"choices":[{"delta":{"content\u0000":"x"}}]}', NOTHING),
    "a key longer than any that is known": (
        '{"' + "x" * 300 + '":{"choices":1},"choices' + "x" * 30 + '":[]}',
        NOTHING,
    ),
    "decoys in strings": (
        r'{"x":"\"choices\":[{\"delta\":{\"content\":\"a\"}}]","error_":"{\"error\":1}","y":["usage",{"prompt_tokens":1}]}',
        NOTHING,
    ),
    "the right keys in wrong places": (
        '{"delta":{"content":"x"},"content":"x","text":"x","choices":{"delta":{"content":"x"}}}',
        NOTHING,
    ),
    "choices in choices": (
        '{"choices":[{"choices":[{"delta":{"content":"x"}}]},[{"delta":{"content":"x"}}]]}',
        NOTHING,
    ),
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
            "is_done": True,
            "finish_reason": FinishReason.LENGTH,
            "prompt_tokens": 26,
            "output_tokens": 298,
            "total_ns": 174560334,
            "load_ns": 101397084,
            "prompt_eval_ns": 13074791,
            "eval_ns": 52479709,
        },
    ),
    "done that is no true": ('{"done":1,"x":{"done":true},"y":["done",true]}', NOTHING),
    "Ollama's error": ('{"error":"model not found"}', {"has_error": True, "error": b"model not found"}),
    "OpenAI's error": (
        '{"error":{"message":"No key","type":"auth","code":"invalid_api_key","param":null}}',
        {"has_error": True, "error": b"No key", "error_code": b"invalid_api_key"},
    ),
    "an error with its message first and last": (
        '{"error":{"code":400,"type":"a","message":"b","param":{"message":"c"}}}',
        {"has_error": True, "error": b"b", "error_code": b"a"},
    ),
    "an error without a message": (
        '{"error":{"code":"rate_limited"}}',
        {"has_error": True, "error": b"rate_limited", "error_code": b"rate_limited"},
    ),
    "an error whose code is null": (
        '{"error":{"code":null,"message":"m","type":"t"},"type":"error"}',
        {"has_error": True, "error": b"m", "error_code": b"t"},
    ),
    "an error whose message and code are empty": (
        '{"error":{"message":"","code":"","type":"t"},"code":"c"}',
        {"has_error": True, "error": b"t", "error_code": b"c"},
    ),
    "an error as long as a code may be": (
        '{"error":{"code":"context_length_exceeded"}}',
        {"has_error": True, "error": b"context_length_exceeded", "error_code": b"context_length_exceeded"},
    ),
    "a code longer than a record holds": (
        '{"error":{"message":"m","code":"index_not_found_exception"}}',
        {"has_error": True, "error": b"m", "error_code": b"index_not_found_excepti"},
    ),
    "a character across a code's limit": (
        r'{"error":{"message":"m","code":"012345678901234567890\u00e9x\u00e9"}}',
        {"has_error": True, "error": b"m", "error_code": "012345678901234567890é".encode()},
    ),
    "Chroma's error": (
        '{"error":"NotFoundError","message":"Collection [x] does not exist."}',
        {"has_error": True, "error": b"Collection [x] does not exist.", "error_code": b"NotFoundError"},
    ),
    "Chroma's error, another way round": (
        '{"message":"Collection [x] does not exist.","error":"NotFoundError"}',
        {"has_error": True, "error": b"Collection [x] does not exist.", "error_code": b"NotFoundError"},
    ),
    "an error beside an empty message": (
        '{"message":"","error":"Not Found"}',
        {"has_error": True, "error": b"Not Found", "error_code": b"Not Found"},
    ),
    "Qdrant's error": (
        '{"status":{"error":"Not found: Collection `x` does not exist!"},"time":0.00007}',
        {"error": b"Not found: Collection `x` does not exist!"},
    ),
    "Qdrant's success": ('{"result":true,"status":"ok","time":0.00007}', NOTHING),
    "a code at the top": (
        '{"message":"m","code":"index_not_found","type":"invalid_request"}',
        {"error": b"m", "error_code": b"index_not_found"},
    ),
    "an error that is null": ('{"error":null,"choices":[{"error":"x"}]}', NOTHING),
    "an error that is empty or false": ('{"error":"","x":1}', NOTHING),
    "an error that is false": ('{"error":false}', NOTHING),
    "an error that is a number": ('{"error":7}', {"has_error": True}),
    "an error that is true": ('{"error":true}', {"has_error": True}),
    "an error that is an empty object": ('{"error":{}}', {"has_error": True}),
    "vLLM's older error": (
        '{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}',
        {"has_error": True, "error": b"too long", "error_code": b"BadRequestError"},
    ),
    "vLLM's older error, another way round": (
        '{"code":400,"type":"BadRequestError","message":"too long","object":"error"}',
        {"has_error": True, "error": b"too long", "error_code": b"BadRequestError"},
    ),
    "a message that is no error": ('{"object":"chat.completion","message":"x"}', {"error": b"x"}),
    "FastAPI's detail": ('{"detail":"Not Found"}', {"error": b"Not Found"}),
    "FastAPI's list of details": (
        '{"detail":[{"loc":["body"],"msg":"Field required","type":"missing"}]}',
        {"error": b"Field required"},
    ),
    "an error with escapes": (
        r'{"error":"a\n\tb \"c\" \u00e9\ud83d\ude00 \/\b\f\\"}',
        {"has_error": True, "error": 'a b "c" é😀 / \\'.encode()},
    ),
    "an error longer than a record holds": (
        '{"error":"' + "é" * 80 + '"}',
        {"has_error": True, "error": "é".encode() * 54},
    ),
    "an empty object": ("{}", NOTHING),
}


@pytest.mark.parametrize(("document", "said"), SAYS.values(), ids=SAYS)
def test_a_document_says_the_same_wherever_it_is_cut(probe: Any, document: str, said: dict[str, Any]) -> None:
    expected = {**vars(Facts()), "error": b"", "error_code": b"", **said}
    assert known_facts(facts_of(json.loads(document))) == expected
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
