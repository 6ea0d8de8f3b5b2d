"""Tables in a box of their own that scrolls, with heads that sort by a button."""

import re
from collections.abc import Sequence

from loadgen.report.html.markup import Html, joined, tag
from loadgen.report.intervals import Sure, around, bracketed
from loadgen.report.numbers import count

LEAST_TO_SORT = 3
"""Columns; and a row fewer."""

MOST_ON_PAPER = 9
"""Columns that a printed page has room for in the usual size."""

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


def html_table(
    head: Sequence[object],
    rows: Sequence[Sequence[object]],
    is_right: Sequence[bool] = (),
    keys: Sequence[Sequence[float | str | None]] | None = None,
    caption: str = "",
) -> Html:
    """keys: what each cell sorts by; without it the first figure in its text, else the text.

    is_right: the columns of figures.
    """
    right = [place < len(is_right) and is_right[place] for place in range(len(head))]
    sorts = len(head) >= LEAST_TO_SORT and len(rows) >= LEAST_TO_SORT - 1
    heads = [_head(cell, right[place], sorts) for place, cell in enumerate(head)]
    body = [_row(row, right, keys[number] if keys else None) for number, row in enumerate(rows)]
    table = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", *heads)),
        tag("tbody", *body),
        class_=" ".join(name for name, is_so in (("sorts", sorts), ("many", len(head) > MOST_ON_PAPER)) if is_so)
        or None,
    )
    named = {"tabindex": 0, "role": "region", "aria_label": caption} if caption else {}
    return tag("div", table, class_="scrolls", **named)


def _head(cell: object, is_right: bool, sorts: bool) -> Html:
    content = tag("button", cell, type="button") if sorts else cell
    return tag("th", content, scope="col", class_="figure" if is_right else None, aria_sort="none" if sorts else None)


def _row(row: Sequence[object], right: Sequence[bool], keys: Sequence[float | str | None] | None) -> Html:
    cells = []
    for place, cell in enumerate(row):
        is_right = place < len(right) and right[place]
        key = keys[place] if keys is not None else sort_key(str(cell)) if is_right else None
        cells.append(tag("td", cell, class_="figure" if is_right else None, data_key=key))
    return tag("tr", joined(cells))


def sort_key(text: str) -> str | None:
    """The first figure in a cell's text, as a number: 1,230 ms -> 1230."""
    found = _NUMBER.search(re.sub(r"<[^>]*>", "", text))
    return found[0].replace(",", "") if found else None


def sure_cell(sure: Sure) -> Html:
    """The figure; under it the interval, and how many samples one in brackets needs."""
    wants = sure.needs_n and not sure.is_certified and sure.value is not None
    small = [text for text in (around(sure), f"needs {count(sure.needs_n)}" if wants else "") if text]
    return joined([bracketed(sure), *(tag("small", text) for text in small)])
