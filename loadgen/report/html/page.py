"""The page around everything: its head, what may run in it, the verdict, tiles, sections, pictures, and the scripts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import orjson

import loadgen
from loadgen.report.html.figures import Band, Bars, Figure, Heat, Line, Mark, Points, as_json
from loadgen.report.html.markup import Html, escaped, joined, tag
from loadgen.report.html.still import still

HERE = Path(__file__).parent

TONES = {"PASS": "good", "FAIL": "bad", "UNDECIDED": "open", "PARTIAL": "open", "NO RESULT": "bad"}
"""How a verdict is coloured; its word says it too."""


@dataclass(frozen=True)
class Part:
    """A section. title: as its heading; short: in the bar at the top, "" leaves it out there."""

    title: str
    content: Html
    short: str = ""

    @property
    def place(self) -> str:
        slug = "".join(char if char.isascii() and char.isalnum() else "-" for char in self.title.lower())
        return f"on-{slug.strip('-')}"  # never a name that the page itself has


@dataclass(frozen=True)
class Page:
    """eyebrow: what it is about; sentence: the verdict in words; under it what must be known at once; the parts."""

    title: str
    eyebrow: object
    verdict: str
    sentence: str
    under: Sequence[Html]
    parts: Sequence[Part]
    figures: Sequence[Figure] = field(default=())
    plotly: str | None = None  # where plotly.js is, from the page


def written(page: Page) -> str:
    """The whole file. Its policy lets only its own two scripts and plotly.js run, and nothing be fetched."""
    body = _body(page)
    nonce = hashlib.sha256(body.encode()).hexdigest()[:32]  # of the content: text in it cannot know it beforehand
    return f"<!doctype html>\n{tag('html', _head(page, nonce), tag('body', body, _scripts(page, nonce)), lang='en')}\n"


def _head(page: Page, nonce: str) -> Html:
    may = f"script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=f"default-src 'none'; {may}"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"loadgen {loadgen.__version__}"),
        tag("title", page.title),
        tag("style", _own("style.css")),
        tag("style", _own("dark.css"), id="dark", media="screen and (prefers-color-scheme: dark)"),
        Html('<link rel="icon" href="data:,">'),
    )


@cache
def _own(name: str) -> Html:
    """A file of ours that goes into every page as it stands."""
    return Html((HERE / name).read_text("utf-8"))


def _body(page: Page) -> Html:
    return joined(
        (
            tag("a", "Skip to the figures", href="#main", class_="skip"),
            _bar(page),
            tag("main", _verdict(page), *map(_section, page.parts), id="main", tabindex="-1"),
            _footer(page),
        ),
        "\n",
    )


def _bar(page: Page) -> Html:
    links = [tag("a", part.short, href=f"#{part.place}") for part in page.parts if part.short]
    theme = tag("button", "Dark", type="button", class_="theme", hidden=True)
    inner = tag("div", tag("div", "loadgen", class_="brand"), tag("nav", *links, aria_label="Sections"), theme)
    return tag("header", inner, class_="bar-top")


def _verdict(page: Page) -> Html:
    badge = tag("span", page.verdict, class_=f"badge {TONES.get(page.verdict, 'plain')}")
    head = tag("p", badge, tag("span", page.eyebrow), class_="eyebrow")
    return tag("div", head, tag("h1", page.sentence), *page.under, class_="verdict")


def _section(part: Part) -> Html:
    return tag("section", tag("h2", part.title, id=f"{part.place}-title"), part.content, id=part.place)


def _footer(page: Page) -> Html:
    made = f"Made by loadgen {loadgen.__version__}. This file needs no network."
    if page.plotly is None and page.figures:
        made += " Its pictures are still; with plotly installed (pip install 'loadgen[html]') they can be zoomed."
    return tag("footer", made)


def pictures(figures: Sequence[Figure]) -> Html:
    return tag("div", *map(_picture, figures), class_="pictures")


def _picture(figure: Figure) -> Html:
    caption = tag("figcaption", tag("h3", figure.title), tag("p", figure.says) if figure.says else None)
    keys = _legend(figure.marks)
    box = tag("div", still(figure), tag("div", class_="live"), class_="picture", data_figure=figure.key)
    return tag("figure", caption, keys, box, class_="wide" if figure.is_wide else "narrow")


def _legend(marks: Sequence[Mark]) -> Html | None:
    """What is named, once each; a picture's only name is in its title already."""
    named = {mark.name: mark for mark in marks if mark.name and isinstance(mark, Line | Points | Bars | Band)}
    if len(named) < 2:
        return None
    return tag("ul", *(tag("li", _key(mark), name) for name, mark in named.items()), class_="legend")


def _key(mark: Line | Points | Bars | Band | Heat) -> Html:
    """A little of what it looks like."""
    match mark:
        case Line():
            shape = tag("path", d="M0 6H20", class_=f"line {mark.dash}")
        case Points():
            shape = tag("circle", cx=10, cy=6, r=4, class_="point")
        case Band():
            shape = tag("rect", width=20, height=12, class_="band")
        case _:
            shape = tag("rect", x=3, width=14, height=12, class_="bar")
    colour = "" if isinstance(mark, Heat) else f" c{mark.colour}"
    return tag("svg", shape, viewBox="0 0 20 12", class_=f"key{colour}", aria_hidden="true")


def _scripts(page: Page, nonce: str) -> Html:
    parts = [tag("script", _own("page.js"), nonce=nonce)]
    if page.figures and page.plotly is not None:
        parts += [
            tag(
                "script",
                for_script([as_json(figure) for figure in page.figures]),
                type="application/json",
                id="figures",
            ),
            tag("script", src=page.plotly, nonce=nonce, charset="utf-8"),
            tag("script", _own("draw.js"), nonce=nonce),
        ]
    return joined(parts, "\n")


def for_script(content: object) -> Html:
    """JSON that cannot end the element it stands in: no `<` is left of it."""
    text = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return Html(text.replace("<", "\\u003c"))


def tiles(rows: Sequence[tuple[str, object, object]]) -> Html:
    """name, figure, and a few small words under it."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", small) if small else None))
            for name, value, small in rows
        ),
        class_="tiles",
    )


def lead(text: object) -> Html:
    return tag("p", text, class_="lead")


def warning(*parts: object) -> Html:
    return tag("div", *parts, class_="warn", role="note")


def note(text: object) -> Html:
    return tag("p", escaped(text), class_="note")
