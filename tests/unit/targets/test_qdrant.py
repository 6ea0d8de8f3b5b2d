"""Qdrant's dialect: what is sent, and how answers are read."""

from typing import Any

import numpy as np
import pytest
from vector_requests import build, sent

from loadgen.plan.model import Check
from loadgen.recipe import recipe_from_dict
from loadgen.targets.qdrant import FIRST_ID, QdrantStore

SMALL = {"vectors": 200, "dimensions": 4, "top_k": 3}
POINTS = "/collections/loadgen/points"


def store(**workload: Any) -> QdrantStore:
    return QdrantStore(recipe_from_dict({"service": {"kind": "qdrant"}, "workload": workload}))


def test_a_query_asks_for_the_nearest_and_knows_them() -> None:
    one = sent(build("qdrant", SMALL), 0)
    assert one.line == f"POST {POINTS}/query HTTP/1.1"
    assert one.body["limit"] == 3
    assert np.shape(one.body["query"]) == (4,)
    assert one.check is Check.IDS
    assert len(set(one.neighbours)) == 3
    assert all(FIRST_ID <= number < FIRST_ID + 200 for number in one.neighbours)


def test_each_upsert_brings_a_new_id_that_is_a_number() -> None:
    plan = build("qdrant", {**SMALL, "operation": "upsert"})
    all_sent = [sent(plan, index) for index in range(300)]
    assert {one.line for one in all_sent} == {f"PUT {POINTS}?wait=true HTTP/1.1"}
    points = [one.body["points"][0] for one in all_sent]
    assert [point["id"] for point in points] == [FIRST_ID + 200 + index for index in range(300)]
    assert [one.key for one in all_sent] == list(range(200, 500))
    assert all(len(point["vector"]) == 4 and 0 <= point["payload"]["group"] < 10 for point in points)


def test_an_upsert_of_several_brings_as_many() -> None:
    plan = build("qdrant", {**SMALL, "operation": "upsert", "batch": 20})
    assert len({point["id"] for point in sent(plan, 0).body["points"]}) == 20


def test_a_get_wants_its_id_in_the_answer() -> None:
    one = sent(build("qdrant", {**SMALL, "operation": "get"}), 5)
    assert one.line == f"POST {POINTS} HTTP/1.1"
    assert one.check is Check.CONTAINS
    assert one.body["ids"] == [int(one.needle)]


def test_deletes_take_what_was_filled_for_them() -> None:
    plan = build("qdrant", {**SMALL, "operation": "delete"})
    deleted = [sent(plan, index).body["points"][0] for index in range(200)]
    assert sorted(deleted) == [FIRST_ID + number for number in range(200, 400)]
    assert sent(plan, 0).check is Check.DELETE


def test_without_check_nothing_is_looked_at_but_recall() -> None:
    plan = build("qdrant", {**SMALL, "operations": {"upsert": 1, "get": 1, "delete": 1, "query": 1}, "check": False})
    assert {sent(plan, index).check for index in range(100)} == {Check.NONE, Check.IDS}
    assert plan.n_keys == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"group": 3}, {"must": [{"key": "group", "match": {"value": 3}}]}),
        ({"must_not": [{"key": "group", "match": {"value": 3}}]}, None),
        ({"should": [], "must": []}, None),
    ],
)
def test_a_filter_is_put_into_the_query(asked: dict[str, Any], said: dict[str, Any] | None) -> None:
    one = sent(build("qdrant", {**SMALL, "filter": asked, "recall": False}), 0)
    assert one.body["filter"] == (said or asked)


def test_options_stand_in_the_query_as_they_are() -> None:
    one = sent(build("qdrant", {**SMALL, "options": {"params": {"hnsw_ef": 32}, "limit": 7}}), 0)
    assert (one.body["params"], one.body["limit"]) == ({"hnsw_ef": 32}, 7)


def test_the_key_is_sent_and_the_plan_does_not_depend_on_it() -> None:
    one, other = (build("qdrant", SMALL, api_key=key) for key in ("first-key", "other-key"))
    assert sent(one, 0).headers["api-key"] == "first-key"
    assert one.digest == other.digest


def test_answers_are_read() -> None:
    one = store()
    uuid = "58d3743e-cc1f-4675-a29d-da73c113e7f3"
    assert one.ids_in({"result": {"points": [{"id": FIRST_ID + 12}, {"id": uuid}]}}) == [12]
    assert one.vectors_in({"result": [{"id": FIRST_ID + 12, "vector": [1.0, 2.0]}]}) == {12: [1.0, 2.0]}


@pytest.mark.parametrize(
    ("distance", "stored", "is_kept"),
    [
        ("cosine", [0.6, 0.8], True),  # a vector of unit length in the place of [3, 4]
        ("cosine", [0.8, 0.6], False),
        ("l2", [3.0, 4.0000001], True),
        ("l2", [0.6, 0.8], False),
        ("l2", [3.0], False),
        ("l2", None, False),
    ],
)
def test_what_is_stored_is_held_against_what_was_sent(distance: str, stored: Any, is_kept: bool) -> None:
    assert store(distance=distance).keeps(stored, np.array([3, 4], np.float32)) is is_kept
