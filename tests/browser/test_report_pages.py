"""report.html in a real browser, from the disk."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import Shape, block_of, make_bundle

from loadgen.report import write_report

TAB, ENTER = "\ue004", "\ue007"
"""Keys, as WebDriver names them."""

ATTACK = "</script><img src=x onerror='window.hit = 1'><script>window.hit = 2</script>"


def test_every_picture_is_drawn_and_nothing_complains(shown: Any) -> None:
    shown.open()
    n = shown.draw_everything()
    assert n >= 4
    assert shown.value("document.querySelectorAll('.is-live').length") == n
    assert shown.errors() == []
    blank = (
        "[...document.querySelectorAll('.live')].filter((one) => !one.querySelector('path.js-line, .point, .hm image'))"
    )
    assert shown.value(f"{blank}.map((one) => one.parentElement.dataset.figure)") == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_never_scrolls_sideways(shown: Any, width: int) -> None:
    shown.open(width)
    shown.draw_everything()
    assert shown.value("document.documentElement.scrollWidth") <= width
    assert shown.errors() == []


def test_only_plotly_is_fetched_and_the_policy_forbids_the_rest(shown: Any) -> None:
    shown.open()
    shown.draw_everything()
    fetched = shown.value("performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(re.fullmatch(r"file://.*/plotly-[\d.]+\.min\.js|data:.*", name) for name in fetched), fetched
    shown.js("fetch('http://127.0.0.1:9/').catch(() => { window.refused = true })")
    shown.wait_for("window.refused")
    assert any("Content Security Policy" in line for line in shown.errors())


def test_a_table_sorts_by_keyboard_alone(show: Callable[[str], Any]) -> None:
    shown = show("a_sweep")
    shown.open()
    head = "document.querySelector('#on-points thead').querySelectorAll('th')"
    column = f"[...{head}].findIndex((one) => one.textContent.includes('ttft p50'))"
    shown.js(f"{head}[{column}].querySelector('button').focus()")
    orders = []
    for way in ("ascending", "descending"):
        shown.press(ENTER)
        assert shown.value(f"{head}[{column}].getAttribute('aria-sort')") == way
        cells = f"[...document.querySelectorAll('#on-points tbody tr')].map((row) => row.cells[{column}].dataset.key)"
        orders.append([float(key) for key in shown.value(cells)])
    assert orders[0] == sorted(orders[0])
    assert len(set(orders[0])) > 1
    assert orders[1] == orders[0][::-1]
    assert shown.value(f"[...{head}].filter((one) => one.getAttribute('aria-sort') !== 'none').length") == 1


def test_the_first_stop_of_the_keyboard_skips_to_the_figures(show: Callable[[str], Any]) -> None:
    shown = show("a_run")
    shown.open()
    shown.driver.find_element("tag name", "body").send_keys(TAB)
    assert shown.value("document.activeElement.className") == "skip"
    assert shown.value("document.activeElement.getBoundingClientRect().left") >= 0, "it shows where the focus is"
    shown.press(ENTER)
    assert shown.value("document.activeElement.id") == "main"


def lightness(shown: Any, element: str = "document.body", what: str = "backgroundColor") -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", shown.value(f"getComputedStyle({element}).{what}"))[:3])
    return (red + green + blue) / (3 * 255)


def test_it_follows_the_system_and_the_button_turns_it_round(shown: Any) -> None:
    shown.open(scheme="dark")
    assert lightness(shown) < 0.2
    assert lightness(shown, what="color") > 0.7
    n = shown.draw_everything()
    drawn = "document.querySelector('.live text')"
    assert lightness(shown, drawn, "fill") > 0.4, "the pictures follow"
    shown.js("document.querySelector('.theme').focus()")
    shown.press(ENTER)
    assert lightness(shown) > 0.9
    shown.wait_for(f"document.querySelectorAll('.is-live').length === {n}")
    shown.driver.refresh()
    assert lightness(shown) > 0.9, "what was chosen is remembered"
    shown.js("localStorage.clear()")
    assert shown.errors() == []


def test_words_can_be_read_on_what_they_stand_on(shown: Any) -> None:
    """The ratio of WCAG 2, 1.4.3: 4.5 for small text."""
    for scheme in ("light", "dark"):
        shown.open(scheme=scheme)
        for words in (".lead", ".eyebrow", ".tiles dt", ".tiles small", ".badge", "figcaption p", "td small", "footer"):
            if shown.value(f"document.querySelector('{words}') !== null"):
                assert shown.js(CONTRAST, words) >= 4.5, (scheme, words)


CONTRAST = """
  const share = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((one) => share(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let below = document.querySelector(arguments[0]);
  const ink = light(getComputedStyle(below).color);
  while (getComputedStyle(below).backgroundColor === "rgba(0, 0, 0, 0)") below = below.parentElement;
  const paper = light(getComputedStyle(below).backgroundColor);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
"""


def test_printed_pictures_are_the_still_ones_in_light_colours(shown: Any) -> None:
    shown.open(scheme="dark", media="print")
    shown.draw_everything()
    still, live = (f"getComputedStyle(document.querySelector('{name}')).display" for name in ("svg.still", ".live"))
    assert (shown.value(still), shown.value(live)) == ("block", "none")
    assert lightness(shown) > 0.9


def test_without_plotly_beside_it_the_still_pictures_stay(
    show: Callable[[Path], Any], page_of: Any, tmp_path: Path
) -> None:
    page = Path(shutil.copy(page_of("a_run"), tmp_path / "report.html"))
    shown = show(page)
    shown.open()
    assert shown.value("typeof Plotly") == "undefined"
    assert shown.value("document.querySelectorAll('.is-live').length") == 0
    stills = "[...document.querySelectorAll('svg.still')].map((one) => one.getBoundingClientRect().height)"
    assert min(shown.value(stills)) > 100
    assert [line for line in shown.errors() if "plotly" not in line] == []


def test_zooming_into_one_picture_over_time_zooms_into_all(show: Callable[[str], Any]) -> None:
    shown = show("a_run")
    shown.open()
    shown.draw_everything()
    lives = "document.querySelectorAll('#on-over-the-run .live')"
    assert shown.value(f"{lives}.length") >= 3
    shown.js(f"Plotly.relayout({lives}[0], {{'xaxis.range': [1, 2]}})")
    shown.wait_for(f"[...{lives}].every((one) => one.layout.xaxis.range[0] === 1 && one.layout.xaxis.range[1] === 2)")


def test_what_a_recipe_or_a_server_says_never_becomes_markup(show: Callable[[Path], Any], tmp_path: Path) -> None:
    shape = Shape(duration_s=4.0, warmup_s=0.0, fail_share=0.3, name=ATTACK, description=ATTACK, model=ATTACK)
    block = block_of(shape)
    block.records["error"][block.records["error"] != b""] = ATTACK.encode()[:100]
    bundle = make_bundle(tmp_path / "results", replace(shape, service={"version": ATTACK}), block)
    shown = show(write_report(bundle, tmp_path / "reports") / "report.html")
    shown.open()
    shown.draw_everything()
    assert shown.value("window.hit") is None
    assert shown.value("document.querySelectorAll('img').length") == 0
    assert shown.value("document.title").endswith(ATTACK)
    assert shown.errors() == []
