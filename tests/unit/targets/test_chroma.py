"""Chroma's dialect: what is sent, and how answers are read."""

from typing import Any

import numpy as np
import pytest
from vector_requests import build, sent

from loadgen.plan.model import Check
from loadgen.recipe import recipe_from_dict
from loadgen.targets.chroma import UNKNOWN_ID, ChromaStore

SMALL = {"vectors": 200, "dimensions": 4, "top_k": 3}
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def store(**workload: Any) -> ChromaStore:
    return ChromaStore(recipe_from_dict({"service": {"kind": "chroma"}, "workload": workload}))


def test_a_query_asks_for_the_nearest_and_knows_them() -> None:
    plan = build("chroma", SMALL)
    one = sent(plan, 0)
    assert one.line == f"POST {COLLECTIONS}/{UNKNOWN_ID}/query HTTP/1.1"
    assert one.body["n_results"] == 3
    assert np.shape(one.body["query_embeddings"]) == (1, 4)
    assert one.check is Check.IDS
    assert len(set(one.neighbours)) == 3
    assert plan.operations[0].top_k == 3


def test_each_upsert_brings_a_new_id() -> None:
    plan = build("chroma", {**SMALL, "operation": "upsert"})
    all_sent = [sent(plan, index) for index in range(300)]
    assert [one.body["ids"] for one in all_sent] == [[f"{200 + index:012}"] for index in range(300)]
    assert [one.key for one in all_sent] == list(range(200, 500))
    assert {one.check for one in all_sent} == {Check.WRITE}
    assert all(np.shape(one.body["embeddings"]) == (1, 4) for one in all_sent)
    assert set(all_sent[0].body["metadatas"][0]) == {"group"}


def test_an_upsert_of_several_brings_as_many() -> None:
    plan = build("chroma", {**SMALL, "operation": "upsert", "batch": 20})
    one = sent(plan, 0)
    assert len(one.body["ids"]) == len(one.body["embeddings"]) == len(one.body["metadatas"]) == 20
    assert one.key >= 200
    assert plan.n_keys > one.key


def test_a_get_wants_its_id_in_the_answer() -> None:
    one = sent(build("chroma", {**SMALL, "operation": "get"}), 5)
    assert one.line.startswith(f"POST {COLLECTIONS}/{UNKNOWN_ID}/get ")
    assert one.check is Check.CONTAINS
    assert one.needle.decode() == one.body["ids"][0]


def test_deletes_take_what_was_filled_for_them() -> None:
    plan = build("chroma", {**SMALL, "operation": "delete"})
    deleted = [sent(plan, index).body["ids"][0] for index in range(200)]
    assert sorted(deleted) == [f"{number:012}" for number in range(200, 400)]


def test_vectors_are_the_same_single_precision_numbers_again() -> None:
    text = sent(build("chroma", SMALL), 0).body["query_embeddings"][0]
    assert [float(np.float32(number)) == pytest.approx(number, rel=1e-7) for number in text] == [True] * 4


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"group": 3}, {"group": 3}),
        ({"group": 3, "colour": "red"}, {"$and": [{"group": 3}, {"colour": "red"}]}),
        ({"$or": [{"group": 1}, {"group": 2}]}, {"$or": [{"group": 1}, {"group": 2}]}),
        ({"group": {"$gt": 3}}, {"group": {"$gt": 3}}),
    ],
)
def test_a_filter_is_put_into_the_query(asked: dict[str, Any], where: dict[str, Any]) -> None:
    one = sent(build("chroma", {**SMALL, "filter": asked, "recall": False}), 0)
    assert one.body["where"] == where


def test_options_stand_in_the_query_as_they_are() -> None:
    one = sent(build("chroma", {**SMALL, "options": {"include": ["documents"], "n_results": 7}}), 0)
    assert (one.body["include"], one.body["n_results"]) == (["documents"], 7)


def test_tenant_and_database_stand_in_the_path() -> None:
    plan = build("chroma", SMALL, tenant="a b", database="c/d", url="http://127.0.0.1:8000/under")
    assert sent(plan, 0).line.startswith("POST /under/api/v2/tenants/a%20b/databases/c%2Fd/collections/")


def test_the_key_is_sent_and_the_plan_does_not_depend_on_it() -> None:
    one, other = (build("chroma", SMALL, api_key=key) for key in ("first-key", "other-key"))
    assert sent(one, 0).headers["x-chroma-token"] == "first-key"
    assert one.digest == other.digest


def test_the_plan_is_the_same_with_every_collection() -> None:
    recipe = recipe_from_dict({"service": {"kind": "chroma"}, "workload": SMALL})
    one = ChromaStore(recipe)
    before = one.encode(one.query(b"[1]"))
    one._id = "58d3743e-cc1f-4675-a29d-da73c113e7f3"
    assert one.encode(one.query(b"[1]")) == before
    assert f"/collections/{one._id}/query HTTP/1.1\r\n".encode() in one._sent(before)


def test_answers_are_read() -> None:
    one = store()
    assert one.ids_in({"ids": [["000000000012", "000000000003", "others-7"]]}) == [12, 3]
    assert one.vectors_in({"ids": ["000000000012"], "embeddings": [[1.0, 2.0]]}) == {12: [1.0, 2.0]}
    assert one.vectors_in({"ids": [], "embeddings": None}) == {}


def test_a_collections_distance_is_read_from_either_index() -> None:
    from loadgen.targets.chroma import _space_of

    assert _space_of({"hnsw": {"space": "l2"}, "spann": None}) == "l2"
    assert _space_of({"hnsw": None, "spann": {"space": "cosine"}}) == "cosine"
    assert _space_of(None) is None
