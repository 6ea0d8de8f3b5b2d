"""The sections of report.md as HTML, so that both pages say the same. Only what our own pages have is understood.

All text is escaped first; a link may lead to another report and nowhere else.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from loadgen.report.html.markup import Html, escaped, joined, tag
from loadgen.report.html.tables import html_table

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./BM-[0-9-]+/report)\.md\)")
_CODE, _BOLD = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")
_RULE = re.compile(r"\|[\s:|-]+\|")


class Section(NamedTuple):
    """title: "" for what stands before the first heading."""

    title: str
    lines: list[str]


def sections_of(page: str) -> list[Section]:
    """report.md, cut at its headings."""
    sections = [Section("", [])]
    for line in page.splitlines():
        if line.startswith("## "):
            sections.append(Section(line[3:].strip(), []))
        elif not line.startswith("# "):
            sections[-1].lines.append(line)
    return sections


def html_of(lines: Sequence[str]) -> Html:
    """Paragraphs, lists, tables, quotes and code; pictures are left out, the page has its own."""
    return joined(part for block in _blocks(lines) for part in _block(block))


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Neighbouring lines of one kind; code from one fence to the other."""
    code: list[str] | None = None
    rest: list[str] = []
    for line in lines:
        if line.startswith("```"):
            if code is not None:
                yield code
            else:
                yield from _apart(rest)
                rest = []
            code = [line] if code is None else None
        elif code is not None:
            code.append(line)
        else:
            rest.append(line)
    yield from _apart(rest)


def _apart(lines: Sequence[str]) -> Iterator[list[str]]:
    for kind, group in groupby(lines, _kind):
        if kind != "nothing":
            yield list(group)


def _kind(line: str) -> str:
    if not line.strip() or line.startswith("!["):
        return "nothing"
    return {"|": "table", "- ": "list", "> ": "quote"}.get(line[: 1 if line[0] == "|" else 2], "text")


def _block(block: list[str]) -> Iterator[Html]:
    if block[0].startswith("```"):
        yield code_block("\n".join(block[1:]))
        return
    match _kind(block[0]):
        case "table":
            yield _table(block)
        case "list":
            yield tag("ul", *(tag("li", inline(line[2:])) for line in block))
        case "quote":
            yield tag("blockquote", inline(" ".join(line[2:] for line in block)))
        case _:
            yield tag("p", inline(" ".join(block)))


def code_block(text: str) -> Html:
    """With a button that copies it; where scripts do not run it is hidden."""
    button = tag("button", "Copy", type="button", class_="copy", hidden=True)
    return tag("div", tag("pre", tag("code", text), tabindex=0), button, class_="code")


def inline(text: str) -> Html:
    """Code, bold, and links to other reports; a title cell's \\| and &lt; are what they stand for."""
    plain = re.sub(r"&lt;(?=[A-Za-z/!?])", "<", text.replace("\\|", "|"))
    marked = str(escaped(plain))
    marked = _LINK.sub(r'<a href="\2.html">\1</a>', marked)
    marked = _CODE.sub(r"<code>\1</code>", marked)
    return Html(_BOLD.sub(r"<strong>\1</strong>", marked))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _table(block: Sequence[str]) -> Html:
    head = _cells(block[0])
    has_rule = len(block) > 1 and _RULE.fullmatch(block[1].strip())
    rows = [_cells(line) for line in block[2 if has_rule else 1 :]]
    is_right = [cell.endswith(":") for cell in _cells(block[1])] if has_rule else [False] * len(head)
    return html_table([inline(cell) for cell in head], [[inline(cell) for cell in row] for row in rows], is_right)
