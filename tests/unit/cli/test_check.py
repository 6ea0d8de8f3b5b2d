"""`loadgen check`: the plan and a request in words, whatever the protocol, and nothing that is secret."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.cli.check import check_recipe
from loadgen.cli.sample import request_lines
from loadgen.plan.model import Dues, Operation, Plan, Request, Wire, pool_of
from loadgen.recipe import recipe_from_dict
from loadgen.targets.slots import KEY, lay


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """shown(recipe, **overrides): what `loadgen check` prints of a recipe in the current folder."""
    monkeypatch.chdir(tmp_path)

    def check(recipe: str, **overrides: str) -> str:
        Path("r.yaml").write_text(recipe)
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        assert check_recipe("r.yaml", given) == 0
        return capsys.readouterr().out

    return check


def test_a_request_is_shown_with_the_first_drawn_key(shown: Callable[..., str]) -> None:
    text = shown(
        "service: {kind: http, url: 'http://u:pass1234@127.0.0.1:8080', headers: {X-Token: pass1234}}\n"
        "workload: {requests: [{method: PUT, path: '/a/{key}', body: {id: '{key}'}}], key_distribution: sequential}"
    )
    assert f"PUT /a/{'0' * 12} HTTP/1.1\n" in text
    assert '{\n  "id": "000000000000"\n}' in text
    assert "Authorization: ***" in text
    assert "X-Token: ***" in text
    assert "pass1234" not in text
    assert re.search(r"requests  1 different one, \d+ to \d+ bytes, 1 connection\n", text)


def test_each_of_several_services_is_shown(shown: Callable[..., str]) -> None:
    text = shown(
        "services: {chat: {kind: simulator}, pages: {kind: http, url: 'http://h'}}\n"
        "loads: {chat: {concurrency: 3}, pages: {mode: open, rate_per_s: 9, duration_s: 2}}\n"
        "sweep: {loads.chat.concurrency: [3, 4]}\nslo: [chat.p99_ttft < 1 s]"
    )
    assert "  services  chat (simulator), pages (http)\n" in text
    assert "  promise   chat.p99_ttft < 1 s\n" in text
    assert "\nchat: simulator\n  load      3 clients, 10 s (of the first run)\n" in text
    assert "\npages: http\n  load      9 requests/s (poisson), 2 s (of the first run)\n" in text
    assert text.index("POST /v1/chat/completions") < text.index("pages: http") < text.index("GET / HTTP/1.1")


def test_a_python_client_is_shown_by_its_operation(shown: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "shown_client.py").write_text("class C:\n    async def request(self, operation, index, values): ...")
    text = shown("service: {kind: python, client: 'shown_client:C'}\nworkload: {operations: {read: 1}}")
    assert "  requests  1 different one, 1 connection\n" in text
    assert text.endswith("\nread, a call of shown_client:C\n")


def plan_with(wire: Wire, *requests: Request, bodies: bytes = b"", values: list[int] | None = None) -> Plan:
    """As much of a plan as is shown."""
    none: Any = None
    pool = pool_of(requests, np.frombuffer(bodies, np.uint8))
    dues = Dues(np.zeros(1, np.uint32), np.zeros(1, np.int64), None if values is None else np.array([values], np.int32))
    return Plan(
        wire, pool, (Operation("x"),), lambda _first, _count: dues,
        False, 1, 1, 0, None, None, None, 0, 0, 0, False, 0, "", none,
    )  # fmt: skip


def lines_of(plan: Plan) -> list[str]:
    return list(request_lines(recipe_from_dict({"service": {"kind": "simulator"}}), plan))


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    raw, slots = lay([b"*2\r\n$3\r\nGET\r\n$12\r\n", KEY, b"\r\n\xff\x00\r\n"])
    assert lines_of(plan_with(Wire.REDIS, Request(raw, slots), values=[7, 0, 0, 0])) == [
        "*2\n$3\nGET\n$12\n000000000007\n\\xff\\x00"
    ]


def test_the_steps_of_a_request_are_shown_one_after_the_other() -> None:
    request = Request(b"Q\0\0\0\x05BEGIN\0Q\0\0\0\x06COMMIT\0", steps=(11,))
    assert lines_of(plan_with(Wire.POSTGRESQL, request)) == [
        "Q\\x00\\x00\\x00\\x05BEGIN\\x00",
        "— when the server is ready —",
        "Q\\x00\\x00\\x00\\x06COMMIT\\x00",
    ]


def test_a_large_body_is_told_by_its_length() -> None:
    head = b"PUT /b/o HTTP/1.1\r\nContent-Length: 2000\r\n\r\n"
    request = Request(head, body_at=len(head), body=(0, 2000))
    assert lines_of(plan_with(Wire.HTTP, request, bodies=bytes(2000)))[-2:] == ["", "… 2,000 bytes …"]
    inside = Request(b"SET key xx", body_at=8, body=(0, 1500))
    assert lines_of(plan_with(Wire.REDIS, inside, bodies=bytes(2000))) == ["SET key ", "… 1,500 bytes …", "xx"]


def test_a_long_body_is_cut() -> None:
    request = Request(b"POST / HTTP/1.1\r\n\r\n" + b"x" * 5000)
    assert lines_of(plan_with(Wire.HTTP, request))[-1].endswith("x\n… and 3,500 more characters")
