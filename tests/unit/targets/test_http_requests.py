"""Requests to any web server: methods, bodies, slots, expectations, and which of them are tried beforehand."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.plan.model import Check, Plan, Request, SlotKind
from loadgen.plan.plan import build_plan
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, target_for
from tests.targets.scripted_http import Asked, answer, scripted
from tests.unit.targets.test_encoding import Parsed

SERVICE = {"kind": "http", "url": "http://127.0.0.1:8000/base"}


def requests_of(*requests: dict[str, Any], service: dict[str, Any] = SERVICE, **workload: Any) -> list[Request]:
    fields = {"service": service, "workload": {"requests": list(requests), **workload}}
    return list(target_for(recipe_from_dict(fields)).work(None).requests)


def parsed(request: dict[str, Any], **options: Any) -> Parsed:
    return Parsed(requests_of(request, **options)[0].raw)


def plan_of(*requests: dict[str, Any], **workload: Any) -> Plan:
    recipe = recipe_from_dict({"service": SERVICE, "workload": {"requests": list(requests), **workload}})
    return build_plan(recipe, target_for(recipe))


def kinds_of(request: Request) -> list[SlotKind]:
    return [slot.kind for slot in request.slots]


def test_requests_have_the_services_and_their_own_headers() -> None:
    service = {"kind": "http", "url": "http://[::1]:81/base", "headers": {"A": "1", "B": "2"}}
    sent = parsed({"path": "/x", "headers": {"b": "3"}}, service=service)
    assert sent.path == "/base/x"
    assert (sent.headers["Host"], sent.headers["A"], sent.headers.get_all("B")) == ("[::1]:81", "1", ["3"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
def test_any_method_is_sent(method: str) -> None:
    request = requests_of({"method": method})[0]
    assert Parsed(request.raw).command == method
    assert request.expects_no_body == (method == "HEAD")


def test_a_mapping_is_sent_as_json() -> None:
    body = {"n": 1, "none": None, "list": [True, "é"], "deep": {"a": {}}}
    sent = parsed({"method": "POST", "body": body})
    assert sent.json == body
    assert sent.headers["Content-Type"] == "application/json"


def test_a_list_is_sent_as_json() -> None:
    assert parsed({"method": "POST", "body": [1, None]}).json == [1, None]


def test_text_is_sent_as_it_stands() -> None:
    sent = parsed({"method": "PUT", "body": "über {all}\n"})
    assert sent.body == "über {all}\n".encode()
    assert sent.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_content_type_of_the_recipe_stands() -> None:
    sent = parsed({"method": "POST", "body": "<a/>", "headers": {"content-type": "application/xml"}})
    assert sent.headers.get_all("Content-Type") == ["application/xml"]
    merged = parsed({"method": "PATCH", "body": {}, "headers": {"Content-Type": "application/merge-patch+json"}})
    assert merged.headers.get_all("Content-Type") == ["application/merge-patch+json"]


def test_without_a_body_there_is_no_content_length() -> None:
    sent = parsed({"method": "DELETE"})
    assert "Content-Length" not in sent.headers
    assert "Content-Type" not in sent.headers


def test_marks_are_slots_in_path_headers_and_body() -> None:
    asked = {"method": "POST", "path": "/a/{key}?n={index}", "headers": {"X-Try": "{uuid}"}, "body": {"k": "{key}"}}
    request = requests_of(asked)[0]
    id_kind = SlotKind.ID
    assert kinds_of(request) == [SlotKind.VALUE, SlotKind.INDEX, id_kind, SlotKind.UUID, SlotKind.VALUE]
    sent = Parsed(request.raw)
    assert sent.path == f"/base/a/{'0' * 12}?n={'0' * 12}"
    assert sent.headers["X-Try"] == "0" * 36
    assert sent.json == {"k": "0" * 12}


def test_keys_are_drawn_where_a_request_has_one() -> None:
    values = plan_of({"path": "/{key}"}, keys=20, key_distribution="sequential").draw(0, 25).values
    assert values is not None
    assert values[:, 0].tolist() == [i % 20 for i in range(25)]


def test_nothing_is_drawn_where_no_request_has_a_key() -> None:
    assert plan_of({"path": "/{index}"}).draw(0, 5).values is None


def test_the_distribution_of_keys_changes_the_digest() -> None:
    assert plan_of({"path": "/{key}"}).digest != plan_of({"path": "/{key}"}, key_distribution="zipfian").digest


def test_requests_come_by_weight() -> None:
    plan = plan_of({"name": "a", "path": "/a", "weight": 3}, {"name": "b", "path": "/b?x=1"})
    assert [plan.pool.text(i).split(b" ")[1] for i in range(2)] == [b"/base/a", b"/base/b?x=1"]
    assert np.mean(plan.draw(0, 20_000).payload) == pytest.approx(0.25, abs=0.02)
    assert plan.dataset == {"name": None, "sha256": None}


def test_a_request_is_named_by_its_method() -> None:
    plan = plan_of({}, {"method": "POST"})
    assert [operation.name for operation in plan.operations] == ["get", "post"]


def test_expectations_go_to_the_engine() -> None:
    request = requests_of({"expect": {"status": 404, "contains": "no such é"}})[0]
    assert (request.expect_status, request.check, request.needle) == (404, Check.CONTAINS, "no such é".encode())
    plain = requests_of({})[0]
    assert (plain.expect_status, plain.check, plain.needle) == (0, Check.NONE, b"")


def test_without_check_bodies_are_not_searched() -> None:
    request = requests_of({"expect": {"status": 201, "contains": "x"}}, check=False)[0]
    assert (request.expect_status, request.check, request.needle) == (201, Check.NONE, b"")


def test_more_marks_than_an_engine_has_room_for_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"workload\.requests\[1\]: has \d+ places that differ"):
        requests_of({"name": "a"}, {"name": "b", "body": "{uuid}" * 40})


MISTAKES = {
    "method: must be a method in capital letters": {"method": "post"},
    "method: CONNECT makes a tunnel": {"method": "CONNECT"},
    "path: must begin with /": {"path": "x"},
    "path: must be ASCII without blanks": {"path": "/a b"},
    "path: {id} stands for nothing: {index}, {key} and {uuid} do; a brace is %7B": {"path": "/items/{id}"},
    "body: must be text, or a mapping or a list": {"body": 5},
    "expect.status: must be >= 100": {"expect": {"status": 20}},
    "expect.contains: must not be empty": {"expect": {"contains": ""}},
    "expect.contains: must be at most 255 bytes long": {"expect": {"contains": "é" * 128}},
    "expect.contain: unknown field, did you mean contains?": {"expect": {"contain": "x"}},
    "expect: the answer to a HEAD has no body": {"method": "HEAD", "expect": {"contains": "x"}},
    "weight: must be > 0": {"weight": 0},
}


@pytest.mark.parametrize(("line", "request_"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_mistake_is_named_with_its_field(line: str, request_: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        requests_of(request_)
    assert str(caught.value).startswith(f"workload.requests[0].{line}")
    assert "\n" not in str(caught.value)


def test_names_must_differ() -> None:
    with pytest.raises(RecipeError, match=r"workload\.requests: each needs a name of its own"):
        requests_of({}, {"path": "/b"})


def test_bodies_with_secrets_are_not_kept() -> None:
    body = {"user": "me", "password": "pass1234", "nothing": None}
    service = {**SERVICE, "url": "http://127.0.0.1:8000"}
    recipe = recipe_from_dict({"service": service, "workload": {"requests": [{"method": "POST", "body": body}]}})
    kept = recipe.canonical()
    assert kept["workload"]["requests"][0]["body"] == {"user": "me", "password": "***", "nothing": None}
    assert recipe.redacted("not pass1234!") == "not ***!"
    with pytest.raises(RecipeError, match=r"workload\.requests\.0\.body\.password=…"):
        recipe_from_dict(kept)
    given = {"workload.requests.0.body.password": "pass1234"}
    assert recipe_from_dict(kept, given).hash == recipe.hash


def prepared(*requests: dict[str, Any]) -> tuple[Readiness, list[Asked]]:
    async def prepare() -> tuple[Readiness, list[Asked]]:
        async with scripted(lambda asked: answer({"found": asked.call}, 200 if asked.path == "/x" else 404)) as server:
            service = {"kind": "http", "url": server.url}
            recipe = recipe_from_dict({"service": service, "workload": {"requests": list(requests)}})
            return await target_for(recipe).prepare(), server.asked

    return asyncio.run(prepare())


def test_only_what_changes_nothing_is_tried_before_the_load() -> None:
    ready, asked = prepared(
        {"name": "look", "path": "/x"},
        {"name": "make", "method": "POST", "body": {}},
        {"name": "drop", "method": "DELETE"},
    )
    assert [one.call for one in asked] == ["GET /x"]
    assert ready.notes == ("not tried before the load, since it may change something: make (POST), drop (DELETE)",)


def test_a_head_is_tried_and_its_missing_body_waited_for_by_nobody() -> None:
    ready, asked = prepared({"method": "HEAD", "path": "/x"})
    assert (ready.notes, [one.call for one in asked]) == ((), ["HEAD /x"])


def test_an_answer_that_the_load_would_count_as_wrong_is_noted() -> None:
    notes = prepared(
        {"name": "a", "path": "/gone"},
        {"name": "b", "path": "/gone", "expect": {"status": 404}},
        {"name": "c", "path": "/x", "expect": {"status": 201}},
        {"name": "d", "path": "/x", "expect": {"contains": "price"}},
        {"name": "e", "path": "/x", "expect": {"contains": "GET /x"}},
    )[0].notes
    assert notes == (
        "GET /gone is answered with 404",
        "GET /x is answered with 200, not with 201",
        "GET /x is answered without 'price'",
    )


def test_json_in_a_body_is_compact_so_that_marks_are_all_that_varies() -> None:
    raw = requests_of({"method": "POST", "body": {"a": ["{key}", 1]}})[0].raw
    assert raw.endswith(json.dumps({"a": ["0" * 12, 1]}, separators=(",", ":")).encode())
