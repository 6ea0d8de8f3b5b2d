"""What stands in report.html: sections out of report.md, tables that sort, headlines, text that is only ever text."""

import pytest

from loadgen.report.html.from_markdown import html_of, inline, sections_of
from loadgen.report.html.markup import Html, escaped, joined, tag
from loadgen.report.html.sentences import headline_and_rest
from loadgen.report.html.tables import html_table, sort_key, sure_cell
from loadgen.report.intervals import Sure
from loadgen.report.words import cell, left_table, table


def test_text_is_escaped_in_content_and_in_attributes() -> None:
    made = tag("p", "<b>", title='"><script>', hidden=True, id=None)
    assert made == '<p title="&quot;&gt;&lt;script&gt;" hidden>&lt;b&gt;</p>'


def test_markup_is_not_escaped_twice() -> None:
    assert joined([tag("b", "&"), "&"]) == "<b>&amp;</b>&amp;"
    assert isinstance(escaped("a"), Html)
    assert not isinstance(Html("a") + "<", Html), "what is put together by hand is text again"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `b` **c**", "a <code>b</code> <strong>c</strong>"),
        (
            "[BM-20260101-001](../BM-20260101-001/report.md)",
            '<a href="../BM-20260101-001/report.html">BM-20260101-001</a>',
        ),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](http://evil)", "[x](http://evil)"),
        ("**<img src=x>**", "<strong>&lt;img src=x&gt;</strong>"),
    ],
)
def test_only_what_our_pages_have_becomes_markup(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize("text", ["a|b", "<i>", "a \\| b", "&lt;", "x < 3", "\\", "<!--"])
def test_a_cell_of_markdown_comes_out_as_it_went_in(text: str) -> None:
    lines = table(("one", "two"), [(text, "7")])
    made = str(html_of(lines))
    assert made.count("<td") == 2
    if "&lt;" not in text and "\\" not in text:
        assert f"<td>{escaped(text)}</td>" in made


def test_sections_keep_their_order_and_blocks_their_kind() -> None:
    page = "\n".join(
        [
            "# Title",
            "",
            "**PASS:** yes",
            "",
            "## One",
            "",
            "- a",
            "- b",
            "",
            "text",
            "",
            "## Two",
            "",
            "```sh",
            "x < y",
            "```",
        ]
    )
    head, one, two = sections_of(page)
    assert [section.title for section in (head, one, two)] == ["", "One", "Two"]
    assert html_of(one.lines) == "<ul><li>a</li><li>b</li></ul><p>text</p>"
    assert "<code>x &lt; y</code>" in html_of(two.lines)
    assert html_of(["![p](plots/x.png)"]) == ""


def test_figures_are_set_to_the_right_and_sort_by_their_value() -> None:
    made = html_of(table(("what", "a", "b"), [("x", "1,230", "[4.5]"), ("y", "-", "7 ms")]))
    assert '<td class="figure" data-key="1230">1,230</td>' in made
    assert '<td class="figure" data-key="4.5">[4.5]</td>' in made
    assert '<td class="figure">-</td>' in made
    assert made.count("<button") == 3
    assert "figure" not in html_of(left_table(("what", "value"), [("x", cell("1"))]))


def test_a_table_of_two_columns_does_not_sort() -> None:
    assert "<button" not in html_table(("a", "b"), [("1", "2"), ("3", "4")])


@pytest.mark.parametrize(
    ("text", "key"), [("1,230 ms", "1230"), ("± 3", "3"), ("none", None), ("<small>9</small>", "9")]
)
def test_a_cell_sorts_by_its_first_figure(text: str, key: str | None) -> None:
    assert sort_key(text) == key


def test_a_figure_has_its_interval_and_what_it_needs_under_it() -> None:
    assert sure_cell(Sure(412.0, (394.0, 430.0))) == "412<small>± 18</small>"
    assert sure_cell(Sure(412.0, None, False, 662)) == "[412]<small>needs 662</small>"
    assert sure_cell(Sure(None, None, False, 662)) == "-"


LONG = (
    "it is not known which load holds: 1 client: undecided, 416 more samples would decide; "
    + "2 clients: undecided; " * 6
)


@pytest.mark.parametrize(
    ("text", "headline", "rest"),
    [
        ("all hold.", "All hold.", ""),
        ("one broken: p99 is 3 ms. It gave 5.", "One broken: p99 is 3 ms.", "It gave 5."),
        (LONG, "It is not known which load holds.", LONG.strip()[0].upper() + LONG.strip()[1:]),
    ],
)
def test_a_headline_is_the_first_sentence_and_never_long(text: str, headline: str, rest: str) -> None:
    assert headline_and_rest(text) == (headline, rest)
