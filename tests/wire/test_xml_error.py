"""Errors in XML, as S3 writes them: their code and message, wherever the body is cut."""

from typing import Any

import pytest
from cuts import every_cut

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
BODIES = {
    "S3's": (
        DECLARATION + "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
        "<Key>k</Key><RequestId>4442587FB7D0A2F9</RequestId></Error>",
        "The specified key does not exist.",
        "NoSuchKey",
    ),
    "the message first": ("<Error><Message>m</Message><Code>c</Code></Error>", "m", "c"),
    "a code alone": ("<Error><Code>SlowDown</Code></Error>", "SlowDown", "SlowDown"),
    "a message alone": ("<Error><Message>Slow down</Message></Error>", "Slow down", ""),
    "an empty message": ("<Error><Code>c</Code><Message></Message></Error>", "c", "c"),
    "elements that end themselves": ("<Error><Code/><Message /><Code>c</Code></Error>", "c", "c"),
    "only the first ones": (
        "<Error><Code>c</Code><Message>m</Message><Error><Code>d</Code><Message>n</Message></Error></Error>",
        "m",
        "c",
    ),
    "with attributes and a prefix of blanks": (
        ' \n\ufeff<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n  <Code a="/">c</Code>\n'
        "  <Message\n>\n m </Message></Error>",
        "m",
        "c",
    ),
    "references": (
        "<Error><Message>a &lt;b&gt; &amp; &quot;c&quot; &apos;d&apos; &#39;e&#x27; &#x4A;&#74;</Message></Error>",
        "a <b> & \"c\" 'd' 'e' JJ",
        "",
    ),
    "references that are not read": (
        "<Error><Message>&eacute;&#233;&#xG;&#;&;&#x;&#0;&#1234567890;&amq;|&am</Message><Code>c</Code></Error>",
        "?????????|",
        "c",
    ),
    "a code of several words": ("<Error><Code>not found</Code></Error>", "not found", "not found"),
    "a long code": ("<Error><Code>InvalidAccessKeyIdOrSo12</Code></Error>", "InvalidAccessKeyIdOrSo12", None),
    "names that are almost the right ones": (
        "<Error><code>a</code><Codes>b</Codes><Messages>c</Messages><xCode>d</xCode><Message>m</Message></Error>",
        "m",
        "",
    ),
    "a text that is cut off": ("<Error><Code>c</Code><Message>the mess", "the mess", "c"),
    "UTF-8": ("<Error><Message>für 日本 😀</Message></Error>", "für 日本 😀", ""),
}


@pytest.mark.parametrize(("body", "error", "code"), BODIES.values(), ids=BODIES)
def test_an_xml_error_is_read_the_same_wherever_it_is_cut(probe: Any, body: str, error: str, code: str | None) -> None:
    expected = (error.encode(), (error[:23] if code is None else code).encode())
    for reads in every_cut(body.encode()):
        _, last, reason = probe.answer(reads, "error")
        assert (last["error"], last["error_code"], reason) == (*expected, None), reads


OTHERS = {
    "a page": ("<html><head><title>502 Bad Gateway</title></head></html>", "<html><head><title>502 Bad Gateway"),
    "a text": ("Code: <Code>c</Code>", "Code: <Code>c</Code>"),
    "JSON with XML in it": ('{"error":"<Code>c</Code>"}', "<Code>c</Code>"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("body", "error"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_xml_error_has_no_code(probe: Any, body: str, error: str) -> None:
    for reads in every_cut(body.encode()):
        _, last, _ = probe.answer(reads, "error")
        assert last["error"].decode().startswith(error)
        assert last["error_code"] == b""


def test_xml_is_read_only_in_a_failed_request(probe: Any) -> None:
    body = b"<Error><Code>c</Code><Message>m</Message></Error>"
    assert probe.answer([body], "opaque")[1]["error_code"] == b""
