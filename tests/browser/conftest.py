"""A real browser, and pages for it: of a real run, and of the made-up ones that the report's unit tests use."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "report"))

from synthetic_runs import Shape, make_sweep
from synthetic_services import CHAT, Stored, make_stored

import loadgen
from loadgen.report import write_report, write_sweep_report
from servers import chromium
from servers.process import Server

WITHIN_S = 20.0


@pytest.fixture(scope="session")
def driver(need: Callable[[object, str], object], start_server: Callable[[str], Server]) -> Iterator[Any]:
    """Chromium without a window, driven by selenium; its console is kept."""
    need(find_spec("selenium"), "selenium is not installed: pip install 'loadgen[test]'")
    from selenium import webdriver
    from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection

    server = start_server("chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium.browser())
    for argument in chromium.ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Remote(ChromeRemoteConnection(server.url), options=options)
    try:
        yield browser
    finally:
        browser.quit()


class Shown:
    """One page in the browser."""

    def __init__(self, driver: Any, page: Path) -> None:
        self.driver, self.page = driver, page

    def open(self, width: int = 1280, scheme: str = "light", media: str = "") -> None:
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._chrome("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chrome("Emulation.setEmulatedMedia", {"media": media, "features": features})
        self.driver.get(self.page.as_uri())
        self.js("try { localStorage.clear() } catch {}")
        self.errors()

    def _chrome(self, command: str, parameters: dict[str, Any]) -> None:
        self.driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def value(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    def wait_for(self, expression: str) -> None:
        """Until it is true in the page."""
        give_up_at = time.monotonic() + WITHIN_S
        while not self.value(expression):
            assert time.monotonic() < give_up_at, f"never true: {expression}"
            time.sleep(0.02)

    def draw_everything(self) -> int:
        """Pictures are drawn when they come into view: go by all of them. Returns how many there are."""
        n = int(self.value("document.querySelectorAll('[data-figure]').length"))
        for number in range(n):
            self.js(f"document.querySelectorAll('[data-figure]')[{number}].scrollIntoView()")
            self.wait_for(f"document.querySelectorAll('[data-figure]')[{number}].querySelector('.main-svg') !== null")
        return n

    def errors(self) -> list[str]:
        """What went to the console since it was asked last."""
        entries = self.driver.execute("getLog", {"type": "browser"})["value"]
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def press(self, *keys: str) -> None:
        """Where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)


RUN = {
    "name": "short",
    "service": {"kind": "simulator", "ttft_ms": 20, "itl_ms": 2},
    "workload": {"output_tokens": 8},
    "load": {"concurrency": 4, "duration_s": 3},
    "slo": ["p99_ttft < 1 s", "p95_itl < 1 s"],
}


def a_run(folder: Path) -> Path:
    """A real one, with all that is watched beside it."""
    result = loadgen.run(RUN, results=folder / "results", reports=folder / "reports")
    assert result.report is not None
    return result.report


def a_sweep(folder: Path) -> Path:
    shape = Shape(duration_s=6.0, warmup_s=1.0)
    return write_sweep_report(make_sweep(folder / "results", shape, "clients", [1, 4, 8, 16, 32]), folder / "reports")


def two_services(folder: Path) -> Path:
    return write_report(make_stored(folder / "results", replace(Stored(), chat=CHAT)), folder / "reports")


PAGES: dict[str, Callable[[Path], Path]] = {make.__name__: make for make in (a_run, a_sweep, two_services)}


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """page_of(kind) is a report.html, written once."""
    made: dict[str, Path] = {}

    def page(kind: str) -> Path:
        if kind not in made:
            made[kind] = PAGES[kind](tmp_path_factory.mktemp(kind)) / "report.html"
        return made[kind]

    return page


@pytest.fixture(params=PAGES)
def shown(request: pytest.FixtureRequest, driver: Any, page_of: Callable[[str], Path]) -> Shown:
    return Shown(driver, page_of(request.param))


@pytest.fixture
def show(driver: Any, page_of: Callable[[str], Path]) -> Callable[[str | Path], Shown]:
    return lambda which: Shown(driver, page_of(which) if isinstance(which, str) else which)
