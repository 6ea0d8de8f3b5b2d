"""HTML put together from parts of which every text is escaped: what a recipe or a server says never becomes markup."""

import html
from collections.abc import Iterable

VOID = {"br", "meta", "link", "input", "path", "rect", "circle"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: object) -> Html:
    """Any text as HTML, for between tags and inside quoted attributes; Html stays what it is."""
    return text if isinstance(text, Html) else Html(html.escape(str(text), quote=True))


def tag(name: str, /, *content: object, **attributes: object) -> Html:
    """<name …>content</name>. Attributes: class_ is class, aria_sort is aria-sort; True has no value, None and False
    are left out.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    if name in VOID and not content:
        return Html(f"<{name}{shown}/>" if name in ("path", "rect", "circle") else f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{joined(content)}</{name}>")


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(" ".join(str(value).split()), quote=True)}"'


def joined(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(escaped(part) for part in parts if part is not None))
