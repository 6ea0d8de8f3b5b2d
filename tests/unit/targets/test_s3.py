"""A recipe for an S3 store: what it may say, and what is sent for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError, TargetError
from loadgen.plan import build_plan
from loadgen.plan.model import STAMP_BYTES, Check, Plan, SlotKind, Wire
from loadgen.plan.stamps import CRC_START, NO_TAG, crc32c, read_stamp, stamps
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.targets import target_for
from loadgen.targets.s3 import endpoint, metrics
from loadgen.targets.s3.bucket import exists
from loadgen.targets.s3.models import S3Workload
from loadgen.targets.s3.session import Reply
from loadgen.targets.s3.sigv4 import Credentials
from loadgen.targets.s3.versions import Versions

KEYS = {"access_key": "AKIDOFNOBODY", "secret_key": "a+secret/key"}
URL = "http://127.0.0.1:9000"


def recipe_of(service: dict[str, Any] | None = None, **workload: Any) -> Recipe:
    return recipe_from_dict({"service": {"kind": "s3", "url": URL, **KEYS, **(service or {})}, "workload": workload})


def plan_of(service: dict[str, Any] | None = None, **workload: Any) -> Plan:
    recipe = recipe_of(service, **workload)
    return build_plan(recipe, target_for(recipe))


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def lines_of(plan: Plan) -> list[str]:
    return [plan.pool.text(payload).partition(b"\r\n")[0].decode() for payload in range(len(plan.pool))]


# --- what a recipe may say


def test_the_smallest_recipe_gets_and_puts() -> None:
    recipe = recipe_of()
    assert isinstance(recipe.workload, S3Workload)
    assert recipe.workload.weights == {"get": 80.0, "put": 20.0}
    assert recipe.workload.objects == 100
    assert recipe.workload.object_bytes == 1 << 20


@pytest.mark.parametrize(
    ("service", "workload", "complaint"),
    [
        ({}, {"operation": "copy"}, "workload.operation: must be one of put, get, head, list, delete"),
        ({}, {"operation": "get", "operations": {"put": 1}}, "workload.operations: give either this or operation"),
        ({}, {"bucket": "My_Bucket"}, "workload.bucket: must be 3 to 63 small letters, digits"),
        ({}, {"bucket": "192.168.0.1"}, "workload.bucket: must be 3 to 63"),
        ({}, {"bucket": "a..b"}, "workload.bucket: must be 3 to 63"),
        ({}, {"objects": 0}, "workload.objects: must be >= 1"),
        ({}, {"object_bytes": 0}, "workload.object_bytes: must be >= 1"),
        ({}, {"object_bytes": {"mean": 10, "min": 20}}, "workload.object_bytes.max: must be >= min (20), got 10"),
        ({}, {"object_bytes": {"mean": 1e12}}, "workload.object_bytes.mean: objects may have at most"),
        ({}, {"list_keys": 1001}, "workload.list_keys: must be <= 1000"),
        ({"addressing": "dns"}, {}, "service.addressing: must be one of auto, path, virtual"),
        ({"region": "eu west"}, {}, "service.region: must be a region's name"),
        ({"secret_key": None}, {}, "service.secret_key: is missing: access_key and secret_key belong together"),
        ({"access_key": None}, {}, "service.access_key: is missing"),
        (
            {"access_key": None, "secret_key": None, "session_token": "t"},
            {},
            "service.session_token: needs access_key and secret_key",
        ),
        ({"url": "s3://bucket"}, {}, "service.url: must begin with http:// or https://"),
    ],
)
def test_a_mistake_is_named_with_its_field(service: dict[str, Any], workload: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_of(service, **workload)
    assert complaint in str(caught.value)


def test_no_key_is_written_with_the_recipe() -> None:
    recipe = recipe_of({"session_token": "the-token-of-nobody"})
    written = str(recipe.canonical())
    for secret in (*KEYS.values(), "the-token-of-nobody"):
        assert secret not in written
        assert recipe.redacted(f"no {secret} here") == "no *** here"


def test_workloads_that_differ_have_buckets_that_differ() -> None:
    lines = {lines_of(plan_of(**workload))[0] for workload in ({}, {"objects": 99}, {"object_bytes": 5})}
    assert len(lines) == 3
    assert all(line.startswith("GET /loadgen-") for line in lines)


# --- what is sent


def test_each_operation_is_one_request_an_object() -> None:
    plan = plan_of(operations=dict.fromkeys(("put", "get", "head", "list", "delete"), 1), objects=2, bucket="one")
    assert plan.wire is Wire.HTTP
    assert lines_of(plan) == [
        "PUT /one/object-000000000000 HTTP/1.1",
        "PUT /one/object-000000000001 HTTP/1.1",
        "GET /one/object-000000000000 HTTP/1.1",
        "GET /one/object-000000000001 HTTP/1.1",
        "HEAD /one/object-000000000000 HTTP/1.1",
        "HEAD /one/object-000000000001 HTTP/1.1",
        "GET /one?list-type=2&max-keys=1000&prefix=object- HTTP/1.1",
        "DELETE /one/object-000000000000 HTTP/1.1",
        "DELETE /one/object-000000000001 HTTP/1.1",
    ]
    payloads = plan.pool.payloads
    assert payloads["check"].tolist() == [
        *([Check.WRITE] * 2 + [Check.READ] * 2),
        *([Check.NONE] * 2 + [Check.COUNT] + [Check.DELETE] * 2),
    ]
    assert payloads["operation"].tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4]
    assert payloads["expects_no_body"].tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0]
    assert (plan.n_keys, plan.n_existing) == (2, 2)


def test_a_put_is_a_head_a_slice_of_the_bodies_and_a_stamp() -> None:
    plan = plan_of(operation="put", objects=3, object_bytes={"mean": 5000, "std": 3000, "min": 38, "max": 9000})
    for number, entry in enumerate(plan.pool.payloads):
        raw = plan.pool.text(number)
        head, _, rest = raw.partition(b"\r\n\r\n")
        assert rest == b"0" * STAMP_BYTES
        assert entry["body_at"] == len(head) + 4
        assert int(headers_of(raw)["Content-Length"]) == entry["body_bytes"] + STAMP_BYTES
        body = plan.pool.bodies[entry["body_from"] : entry["body_from"] + entry["body_bytes"]].tobytes()
        assert crc32c(CRC_START, body) == entry["crc"]
        (stamp,) = stamps(int(entry["crc"]), NO_TAG, np.array([number], np.int64))
        assert read_stamp(body + stamp.tobytes()) == (NO_TAG, number, 1)
        slots = [(slot.kind, slot.at) for slot in plan.pool.slots_of(number)]
        assert slots[1:] == [(SlotKind.STAMP, len(head) + 4)]
    assert plan.n_existing == 0


def test_a_request_is_signed_but_for_its_id() -> None:
    headers = headers_of(plan_of(operation="put").pool.text(0))
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" in headers["Authorization"]
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDOFNOBODY/")
    assert "X-Request-Id" in headers
    assert "a+secret/key" not in str(headers)


def test_without_keys_nothing_is_signed() -> None:
    plan = plan_of({"access_key": None, "secret_key": None})
    assert not {"Authorization", "x-amz-date"} & headers_of(plan.pool.text(0)).keys()
    assert plan.renewed is None


def test_objects_without_room_for_a_stamp_are_not_checked() -> None:
    plan = plan_of(objects=4, object_bytes=37)
    assert set(plan.pool.payloads["check"].tolist()) == {Check.NONE}
    assert plan.n_keys == 0
    put = plan.pool.payloads[4]
    assert (put["body_bytes"], int(headers_of(plan.pool.text(4))["Content-Length"])) == (37, 37)


def test_without_check_objects_have_no_stamp() -> None:
    plan = plan_of(objects=2, object_bytes=5000, check=False)
    assert set(plan.pool.payloads["check"].tolist()) == {Check.NONE}
    assert plan.pool.payloads["body_bytes"].tolist() == [0, 0, 5000, 5000]


def test_a_list_goes_on_behind_the_last_key_of_the_page_before() -> None:
    plan = plan_of(operation="list", objects=25, list_keys=10, bucket="one", object_bytes=1)
    assert [line.split(" ")[1] for line in lines_of(plan)] == [
        "/one?list-type=2&max-keys=10&prefix=object-",
        "/one?list-type=2&max-keys=10&prefix=object-&start-after=object-000000000009",
        "/one?list-type=2&max-keys=10&prefix=object-&start-after=object-000000000019",
    ]


@pytest.mark.parametrize(
    ("service", "host", "path"),
    [
        ({}, "127.0.0.1:9000", "/one/object-000000000000"),
        ({"addressing": "virtual"}, "one.127.0.0.1:9000", "/object-000000000000"),
        ({"url": "https://s3.eu-central-1.amazonaws.com"}, "one.s3.eu-central-1.amazonaws.com", "/object-000000000000"),
        (
            {"url": "https://s3.eu-central-1.amazonaws.com", "addressing": "path"},
            "s3.eu-central-1.amazonaws.com",
            "/one/object-000000000000",
        ),
        ({"url": "http://[::1]:9000/behind/"}, "[::1]:9000", "/behind/one/object-000000000000"),
    ],
)
def test_the_bucket_stands_in_the_path_or_in_the_host(service: dict[str, Any], host: str, path: str) -> None:
    request = plan_of(service, bucket="one", objects=1).pool.text(0)
    assert request.startswith(f"GET {path} HTTP/1.1\r\n".encode())
    assert headers_of(request)["Host"] == host


def test_a_virtual_bucket_is_listed_at_the_root() -> None:
    plan = plan_of({"addressing": "virtual"}, bucket="one", operation="list")
    assert plan.pool.text(0).startswith(b"GET /?list-type=2&")


def test_a_renewed_pool_differs_in_dates_and_signatures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(operations={"put": 1, "get": 1, "list": 1}, objects=3)
    assert plan.renewed is not None
    later = datetime.now(UTC) + timedelta(minutes=9)
    monkeypatch.setattr(endpoint, "datetime", _Clock(later))
    again = plan.renewed()
    assert again.shape == plan.pool.raw.shape
    for entry in plan.pool.payloads:
        begin, end = entry["raw_from"], entry["raw_from"] + entry["raw_bytes"]
        old, new = headers_of(plan.pool.raw[begin:end].tobytes()), headers_of(again[begin:end].tobytes())
        assert {name for name in old if old[name] != new[name]} == {"x-amz-date", "Authorization"}
        assert new["x-amz-date"] == later.strftime("%Y%m%dT%H%M%SZ")


class _Clock:
    """datetime, stopped."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self, _zone: Any) -> datetime:
        return self._at


def test_the_plan_is_the_same_whenever_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = plan_of(objects=3)
    monkeypatch.setattr(endpoint, "datetime", _Clock(datetime(2031, 2, 3, tzinfo=UTC)))
    later = plan_of(objects=3)
    assert now.digest == later.digest
    assert now.pool.text(0) != later.pool.text(0)


def test_objects_above_64_mib_are_put_by_calls() -> None:
    plan = plan_of(objects=5, object_bytes=(64 << 20) + 1)
    assert plan.wire is Wire.CALL
    values = plan.draw(0, 100).values
    assert values is not None
    assert set(values[:, 0].tolist()) == set(range(5))
    assert plan_of(objects=1, object_bytes=64 << 20).wire is Wire.HTTP


# --- what stores say

_ERROR = b"<?xml version='1.0'?>\n<Error>\n <Code>%s</Code>\n <Message>%s</Message>%s</Error>"
SIGNED = Credentials("AKID", "secret", "us-east-1")


def refusal_of(status: int, code: str, message: str = "", more: bytes = b"", credentials: Any = SIGNED) -> str:
    reply = Reply(status, _ERROR % (code.encode(), message.encode(), more))
    with pytest.raises(TargetError) as caught:
        exists(reply, URL, "one", credentials)
    return str(caught.value)


def test_a_bucket_is_there_or_not() -> None:
    assert exists(Reply(200, b"<ListBucketResult><Name>one</Name></ListBucketResult>"), URL, "one", SIGNED)
    assert not exists(Reply(404, _ERROR % (b"NoSuchBucket", b"", b"")), URL, "one", SIGNED)


def test_wrong_keys_are_named_by_their_fields() -> None:
    assert "service.secret_key is not the one that" in refusal_of(403, "SignatureDoesNotMatch")
    assert "service.access_key is not known there" in refusal_of(403, "InvalidAccessKeyId")
    assert "service.session_token is not accepted" in refusal_of(403, "ExpiredToken")
    both = refusal_of(403, "InvalidAccessKeyId", credentials=Credentials("AKID", "secret", "us-east-1", "token"))
    assert "service.access_key and service.session_token are not known there" in both
    assert "without service.access_key and service.secret_key" in refusal_of(403, "AccessDenied", credentials=None)


def test_a_bucket_of_others_a_wrong_region_and_a_wrong_clock_are_told() -> None:
    assert "no access to the bucket one: it may be somebody else's" in refusal_of(403, "AccessDenied")
    region = refusal_of(400, "AuthorizationHeaderMalformed", more=b"<Region>eu-west-1</Region>")
    assert "wants service.region: eu-west-1" in region
    place = refusal_of(301, "PermanentRedirect", more=b"<Endpoint>one.s3.eu-west-1.amazonaws.com</Endpoint>")
    assert "lies at one.s3.eu-west-1.amazonaws.com" in place
    assert "clock" in refusal_of(403, "RequestTimeTooSkewed")
    assert "clock" in refusal_of(
        400, "AccessDenied", "The difference between the request time and the server&#39;s time exceeds the maximum"
    )


@pytest.mark.parametrize(
    "reply", [Reply(200, b"<html></html>"), Reply(404, b'{"detail":"Not Found"}'), Reply(200, b"")]
)
def test_what_is_no_s3_is_told(reply: Reply) -> None:
    with pytest.raises(TargetError, match="does not speak S3"):
        exists(reply, URL, "one", SIGNED)


def test_a_store_that_knows_paths_alone_is_told() -> None:
    with pytest.raises(TargetError, match=r"service\.addressing: path"):
        exists(Reply(200, b"<ListAllMyBucketsResult></ListAllMyBucketsResult>"), URL, "one", SIGNED)


def test_texts_of_elements_are_unescaped() -> None:
    reply = Reply(200, b"<Key>a&amp;b</Key><ETag>&#34;x&#34;</ETag><Key> c </Key>")
    assert list(reply.elements("Key")) == ["a&b", "c"]
    assert reply.element("ETag") == '"x"'
    assert reply.element("Code") == ""


def test_metrics_are_summed_over_their_labels() -> None:
    text = (
        "# HELP minio_s3_requests_total Total\n# TYPE minio_s3_requests_total counter\n"
        'minio_s3_requests_total{api="getobject",server="a"} 5\nminio_s3_requests_total{api="putobject",server="a"} 7\n'
        'minio_node_process_cpu_total_seconds{server="a"} 0.39\nminio_cluster_capacity_usable_free_bytes 6.4e+10\n'
        'minio_s3_ttfb_seconds{le="+Inf"} NaN\nminio_s3_traffic_sent_bytes{server="a"} broken\n'
        'minio_software_version_info{server="a",version="2025-04-22"} 0\n'
    )
    assert metrics.sampled(text) == {"requests": 12, "free_bytes": 64_000_000_000, "cpu_s": 0.39}
    assert metrics.version_of(text) == "2025-04-22"
    assert metrics.sampled("") == {}
    assert metrics.version_of("") is None


# --- versions, where loadgen's own client carries the load


def test_an_acknowledged_write_makes_older_versions_wrong() -> None:
    versions = Versions(2)
    assert versions.floor(0) == 0
    first = versions.send(0)
    versions.settle(first, is_applied=True)
    assert versions.floor(0) == first.version
    assert versions.floor(1) == 0


def test_writes_that_overlap_prove_only_the_oldest_of_them() -> None:
    versions = Versions(1)
    first, second = versions.send(0), versions.send(0)
    versions.settle(second, is_applied=True)
    assert versions.floor(0) == first.version
    versions.settle(first, is_applied=False)
    third = versions.send(0)
    versions.settle(third, is_applied=True)
    assert versions.floor(0) == third.version


def test_a_deleted_object_may_be_missing_until_the_next_put() -> None:
    versions = Versions(1)
    versions.settle(versions.send(0), is_applied=True)
    assert not versions.may_be_missing(0, versions.floor(0))
    versions.settle(versions.send(0, is_delete=True), is_applied=True)
    assert versions.may_be_missing(0, versions.floor(0))
    versions.settle(versions.send(0), is_applied=True)
    assert not versions.may_be_missing(0, versions.floor(0))
