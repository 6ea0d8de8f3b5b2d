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

XML = [
    b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>The key &quot;k&#x27; is gone</Message></Error>',
    b"\xef\xbb\xbf <Error xmlns='a/b'><Message/><Message >slow &amp;&#233; down</Message><Code>c</Code><Code>d</Code>",
]
NAMED = [
    b'{"error":"NotFoundError","message":"Collection [x] does not exist.","code":"","type":"t"}',
    b'{"status":{"error":"Not found: Collection `x`"},"time":0.1,"error":{"type":"a","code":"b\\u00e9","message":""}}',
]
RESP = [
    b"+PONG\r\n:-12\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*-1\r\n-ERR unknown command 'FOO'\r\n",
    b"*3\r\n$3\r\nGET\r\n*2\r\n:1\r\n*0\r\n-WRONGTYPE x\r\n%2\r\n+a\r\n_\r\n#t\r\n,1.5\r\n~1\r\n(123\r\n",
    b"|1\r\n+ttl\r\n%1\r\n+a\r\n:1\r\n=8\r\ntxt:text\r\n>2\r\n+message\r\n$2\r\nhi\r\n!9\r\nERR error\r\n",
]


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One of PostgreSQL's."""
    return kind + (len(body) + 4).to_bytes(4) + body


READY = message(b"Z", b"I")
PG = [
    message(b"T", b"\0\1id\0" + bytes(18))
    + message(b"D", b"\0\1\0\0\0\00512345")
    + message(b"D", b"\0\2\xff\xff\xff\xff\0\0\0\0")
    + message(b"C", b"SELECT 2\0")
    + READY,
    message(b"1")
    + message(b"2")
    + message(b"C", b"INSERT 0 5\0")
    + message(b"Z", b"T")
    + message(b"S", b"a\0b\0")
    + READY,
    message(b"E", b"SERROR\0VERROR\0C42P01\0Mrelation is \xc3\xa9\0P1\0\0") + message(b"Z", b"E"),
    message(b"N", b"SWARNING\0\0") + message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mshutting down\0\0"),
]
IDS = [
    b'{"ids":[["v-00012","v-7"],["x3"]],"distances":[[0.5,1e-9],[2]],"documents":null}',
    b'{"result":{"points":[{"id":5,"score":0.9,"payload":{"city":"id"}},{"i\\u0064":"a-6\\n7"}]}} {"id":-8}',
    b'{"x":' * 63 + b'[{"id":[1,"]}\\"",{}]},[2]],"id":3' + b"}" * 63,
]
TEXTS_TO_SEARCH = [b"abaab", b"aabaabaabaaababaab", b"xxabaabxabaaabaabx" * 3]
VALUES = [
    b"0123abcd0000000000340000000056608a5cc2",
    b"x" * 60 + b"0123abcd000000000001000000000151c6bb27",
    b"0123abcd0000000000010000000001",
]

BY_TARGET = {
    "http1": HTTP1,
    "head": HTTP1,
    "sse": SSE,
    "answer_sse": SSE,
    "answer_ndjson": NDJSON,
    "answer_document": DOCUMENTS,
    "answer_opaque": [*TEXTS, *DOCUMENTS],
    "answer_error": [*DOCUMENTS, *TEXTS, *XML, *NAMED],
    "resp": RESP,
    "pg": PG,
    "ids": IDS,
    "search": TEXTS_TO_SEARCH,
    "value": VALUES,
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
    *(b"<Code>", b"</Code>", b"<Message>", b"<Error>", b"&amp;", b"&#65;", b"&", b";", b"<", b">", b"/"),
    *(b'"id":', b'"ids":[', b'"v-12"', b'"message":"x"', b'"code":"x"', b'"type":"x"', b'"status":{"error":"x"}'),
]
DATABASE_WORDS = {
    "resp": [
        *(
            b"\r\n",
            b"\r",
            b"\n",
            b"-",
            b"0",
            b"9",
            b"+OK\r\n",
            b"-ERR x\r\n",
            b":1\r\n",
            b"$-1\r\n",
            b"$1\r\na\r\n",
            b"_\r\n",
        ),
        *(
            b"*1\r\n",
            b"*2\r\n",
            b"*0\r\n",
            b"%1\r\n",
            b"|1\r\n",
            b">1\r\n",
            b"~1\r\n",
            b"=5\r\ntxt:a\r\n",
            b"!1\r\n",
            b"#t\r\n",
        ),
        *(b"*1\r\n" * 16, b"9223372036854775807", b"536870912", b"1073741823", b"x" * 60, b"\xc3\xa9", b"\xff"),
    ],
    "pg": [
        *(READY, message(b"C", b"UPDATE 2\0"), message(b"D", b"\0\1\0\0\0\1x"), message(b"D", b"\0\0"), b"\xff" * 4),
        *(
            b"1\0\0\0\4",
            b"\0\0\0\4",
            b"E\0\0\0",
            b"SFATAL\0",
            b"VERROR\0",
            b"M\xc3\xa9\0",
            b"C\0",
            b"\0",
            b" 12",
            b"D",
            b"T",
        ),
        *(b"9223372036854775808", b"\x40\0\0\0", b"\0\1", b"\0\0\0\x13", b"12345", b"x" * 60),
    ],
    "search": [b"a", b"b", b"ab", b"aba", b"abaab"],
    "value": [b"0123abcd", b"0", b"1", b"f", b"x" * 60],
}


def words_of(target: str) -> list[bytes]:
    return DATABASE_WORDS.get(target, WORDS)
