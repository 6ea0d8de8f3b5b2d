"""What the fuzzer starts from: one good specimen of each kind, and the words that mean something to the parsers."""

OK = b"HTTP/1.1 200 OK\r\n"

HTTP1 = [
    OK + b"Content-Length: 5\r\nConnection: keep-alive, x\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Type: text/event-stream; a=b\r\n\r\n"
    b'5;a="b\\""\r\nhello\r\n0\r\nA: b\r\n\r\n',
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 429 Slow\nRetry-After: 7\nContent-Type: text/html\n"
    b"Content-Length: 2, 2\n\n{}",
    b"HTTP/1.0 200 OK\r\nContent-Encoding: identity\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
]
SSE = [
    b'\xef\xbb\xbf: hi\ndata: {"choices":[{"delta":{"content":"\\u00e9\\ud83d\\ude00"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":5,\r\ndata: "completion_tokens":1.2e1}}\r\n\r\ndata:[DONE]\r\r',
    b'event: error\ndata: {"error":{"message":"maximum context length is 9","code":"context_length_exceeded"}}\n\n',
    b"event: error\ndata: upstream is away\ndata\n\nid: 1\nretry: 2\n\n",
]
NDJSON = [
    b'{"message":{"role":"assistant","content":"a"},"done":false}\n{"response":"b","thinking":null}\r\n\n',
    b'{"done":true,"done_reason":"stop","total_duration":174560334,"load_duration":1,"prompt_eval_count":26,'
    b'"prompt_eval_duration":13,"eval_count":298,"eval_duration":52}',
    b'{"error":"model \\"x\\" not found"}\n',
]
DOCUMENTS = [
    b'{"choices":[{"message":{"content":[{"type":"text","text":"a"}],"tool_calls":[{}]},"finish_reason":"length"}]}',
    b'{"object":"error","message":"no","type":"BadRequestError","code":400,"detail":[{"msg":"Field required"}]}',
    b'{"a":[true,false,null,-0.5e+3,{"b":"\\n\\u0041"},"\xc3\xa9\xf0\x9f\x98\x80"],'
    b'"choices":[{"text":"x","delta":{"refusal":"n"}}]}',
]
TEXTS = [b"<html><h1>502 Bad Gateway</h1>\n", b"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\xff context window " * 4]

BY_TARGET = {
    "http1": HTTP1,
    "head": HTTP1,
    "sse": SSE,
    "answer_sse": SSE,
    "answer_ndjson": NDJSON,
    "answer_document": DOCUMENTS,
    "answer_opaque": [*TEXTS, *DOCUMENTS],
    "answer_error": [*DOCUMENTS, *TEXTS],
}

WORDS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\n\n",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b": ",
        b",",
        b";",
        b'"',
        b"\\",
        b"\\u",
        b"\\ud83d",
    ),
    *(b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true", b"-", b"0", b"1e9", b"9223372036854775808", b".5", b"e+"),
    *(
        b'"choices":[{"delta":{"content":"x"}}]',
        b'"error":"x"',
        b'"usage":{"prompt_tokens":3}',
        b'"done":true',
        b'"x":{',
    ),
    *(
        b"data: ",
        b"data",
        b"event: error\n",
        b"[DONE]",
        b"data: [DONE]\n\n",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3",
        b"\x80",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 x\r\n\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(
        b"Connection: close\r\n",
        b"chunked",
        b"gzip",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b";a=b",
        b"7fffffffffffffff",
        b"x" * 60,
    ),
]
