"""Whole runs against real stores that speak S3, as a person starts them; the person looks into the store, too."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import loadgen
from loadgen.plan.model import Work
from loadgen.plan.stamps import read_stamp
from loadgen.run import once
from loadgen.targets.s3 import endpoint
from loadgen.targets.s3.target import S3Target
from loadgen.units import NS_PER_S
from s3_person import Person
from servers import SERVERS, rclone
from servers.process import Server, free_port
from servers.s3 import ACCESS_KEY, SECRET_KEY
from whole_runs import Ran, lines_of, n_answered, run_recipe, start_recipe, wait_until

ONE = pytest.mark.parametrize("store", ["seaweedfs"], indirect=True)
"""For what is loadgen's own doing, whoever answers."""

STORES = ["seaweedfs", "rclone", pytest.param("minio", marks=pytest.mark.heavy)]
FIRST = "object-000000000000"
MARKER = ".loadgen"
MIB = 1 << 20
MIXED = {"put": 30, "get": 50, "list": 10, "head": 10}


@pytest.fixture(params=STORES)
def store(
    request: pytest.FixtureRequest, start_server: Callable[[str], Server], need: Callable[[object, str], object]
) -> Server:
    need(rclone.find(), "rclone is not installed: python -m servers install rclone")
    return start_server(request.param)


@pytest.fixture
def person(store: Server) -> Person:
    return Person(store)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> str:
    """One of this test's own."""
    return f"test-{abs(hash(request.node.nodeid)):016x}"[:40]


@pytest.fixture(params=["native", "portable"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def recipe_for(url: str, workload: dict[str, Any], load: dict[str, Any], **service: Any) -> dict[str, Any]:
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    usual = {"warmup_s": 0, "concurrency": 3}
    return {"service": {"kind": "s3", "url": url, **keys, **service}, "workload": workload, "load": {**usual, **load}}


def run(folder: Path, store: Server, workload: dict[str, Any], n_requests: int = 60, **load: Any) -> Ran:
    """load: more of it, such as threads. rclone breaks off a get of an object that is being put: one client for it."""
    clients = {"concurrency": 1 if store.name == "rclone" else 3}
    return run_recipe(folder, recipe_for(store.url, workload, {"requests": n_requests, **clients, **load}))


def by_operation(ran: Ran, name: str) -> list[Any]:
    return [line for line in ran.lines if line["operation"] == name]


def assert_all_right(ran: Ran) -> None:
    assert ran.exit_code == 0, ran.stderr
    assert set(ran.outcomes) == {"ok"}, ran.outcomes
    assert ran.summary["wrong"] == 0
    ((name, n_checked, n_wrong),) = ran.findings
    assert name == "read back"
    assert n_checked > 0
    assert n_wrong == 0


# --- what is sent, answered and checked


def test_mixed_operations_on_objects_of_1_byte_to_8_mib(
    store: Server, person: Person, bucket: str, engine: str, tmp_path: Path
) -> None:
    sizes = {"mean": 300_000, "std": 3_000_000, "min": 1, "max": 8 * MIB}
    workload = {"operations": MIXED, "objects": 20, "object_bytes": sizes, "bucket": bucket}
    ran = run(tmp_path, store, workload, 120, engine=engine)
    assert_all_right(ran)
    assert len(ran.lines) == 120
    assert any(line.get("checked") for line in by_operation(ran, "get"))
    assert max(line["request_bytes"] for line in by_operation(ran, "put")) > MIB
    assert max(line["response_bytes"] for line in by_operation(ran, "get")) > MIB
    assert all(0 < line["n_items"] <= 20 for line in by_operation(ran, "list"))
    for line in ran.lines:
        assert line["sent_at_ns"] <= line["done_at_ns"]
        assert line["first_byte_at_ns"] <= line["done_at_ns"]
    assert any("less than 38 bytes" in note for note in ran.run["notes"])
    assert bucket not in person.buckets()


def test_objects_stay_where_they_are_to_be_kept_and_hold_what_was_put(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    workload = {"operations": {"put": 1, "head": 1}, "objects": 5, "object_bytes": 3000, "bucket": bucket, "keep": True}
    assert_all_right(run(tmp_path, store, workload))
    names = {f"object-{number:012}" for number in range(5)}
    assert person.names(bucket) == {MARKER, *names}
    for number, name in enumerate(sorted(names)):
        content = person.content(f"{bucket}/{name}")
        stamp = read_stamp(content)
        assert len(content) == 3000
        assert stamp is not None
        assert stamp.key == number
        assert stamp.version > 1
    again = run(tmp_path, store, {**workload, "keep": False})
    assert_all_right(again)
    assert bucket not in person.buckets()


def test_a_list_is_continued_page_by_page(store: Server, bucket: str, engine: str, tmp_path: Path) -> None:
    workload = {"operation": "list", "objects": 25, "list_keys": 10, "object_bytes": 40, "bucket": bucket}
    ran = run(tmp_path, store, workload, 12, engine=engine)
    assert set(ran.outcomes) == {"ok"}
    assert sorted(line["n_items"] for line in ran.lines) == [5] * 4 + [10] * 8


def test_a_head_and_a_get_of_what_is_gone(store: Server, bucket: str, engine: str, tmp_path: Path) -> None:
    """404 is right for the get: it was deleted before. The head cannot know that."""
    operations = {"put": 1, "delete": 1, "get": 2, "head": 1}
    workload = {"operations": operations, "objects": 6, "object_bytes": 2000, "bucket": bucket}
    ran = run(tmp_path, store, workload, 200, engine=engine)
    assert ran.summary["wrong"] == 0
    assert {line["outcome"] for line in by_operation(ran, "get")} == {"ok"}
    assert {line["http_status"] for line in by_operation(ran, "get")} == {200, 404}
    assert {line["outcome"] for line in by_operation(ran, "head")} == {"ok", "client_error"}
    assert {line["outcome"] for line in [*by_operation(ran, "put"), *by_operation(ran, "delete")]} == {"ok"}
    assert any("head of an object" in note for note in ran.run["notes"])


@ONE
def test_puts_alone_are_read_back_afterwards(store: Server, bucket: str, tmp_path: Path) -> None:
    workload = {"operation": "put", "objects": 50, "object_bytes": 500, "bucket": bucket}
    ran = run(tmp_path, store, workload, 20)
    assert_all_right(ran)
    assert ran.findings == [("read back", len({line["payload"] for line in ran.lines}), 0)]


@ONE
def test_in_several_threads_every_object_is_looked_for(store: Server, bucket: str, tmp_path: Path) -> None:
    workload = {"objects": 30, "object_bytes": 5000, "bucket": bucket}
    ran = run(tmp_path, store, workload, 200, threads=2, concurrency=4)
    assert_all_right(ran)
    assert ran.findings == [("read back", 30, 0)]


def test_objects_above_64_mib_are_put_in_parts(store: Server, person: Person, bucket: str, tmp_path: Path) -> None:
    workload = {"operations": {"put": 1, "get": 1}, "objects": 2, "object_bytes": 64 * MIB + 3, "bucket": bucket}
    ran = run(tmp_path, store, workload, 4, concurrency=2)
    assert ran.exit_code == 0, ran.stderr
    assert set(ran.outcomes) == {"ok"}
    assert ran.findings == [("read back", 2, 0)]
    gets = by_operation(ran, "get")
    assert all(line["response_bytes"] == 64 * MIB + 3 for line in gets)
    assert all(line["first_byte_at_ns"] < line["done_at_ns"] for line in gets)
    assert any("in parts of 16 MiB" in note for note in ran.run["notes"])
    assert bucket not in person.buckets()


@ONE
def test_large_puts_delay_nothing_on_other_connections(store: Server, bucket: str, engine: str, tmp_path: Path) -> None:
    """What loadgen itself adds to a head, sent late and read late, while up to 64 MiB are being sent. If it had to wait
    for that, it would be half of the time that it takes, on the average."""
    sizes = {"mean": 1000, "std": 30 * MIB, "min": 1000, "max": 64 * MIB}
    workload = {"operations": {"head": 94, "put": 6}, "objects": 20, "object_bytes": sizes, "bucket": bucket}
    ran = run(tmp_path, store, workload, 400, engine=engine, concurrency=4)
    assert_all_right(ran)
    puts = [line for line in by_operation(ran, "put") if line["request_bytes"] > 8 * MIB]
    added_ns = [
        line["sent_at_ns"] - line["planned_at_ns"] + line["read_lag_ns"]
        for line in by_operation(ran, "head")
        if any(put["planned_at_ns"] < line["planned_at_ns"] < put["sent_at_ns"] for put in puts)
    ]
    assert len(added_ns) > 20
    assert median(added_ns) < median(put["sent_at_ns"] - put["planned_at_ns"] for put in puts) / 5


# --- whose the bucket is


def test_a_bucket_of_others_is_neither_used_nor_touched(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    person.make_bucket(bucket)
    person.put(f"{bucket}/{FIRST}", b"somebody's")
    ran = run(tmp_path, store, {"bucket": bucket, "objects": 3})
    assert ran.exit_code == 3
    assert f"the bucket {bucket} is there already, and not made by loadgen" in ran.stderr
    assert "workload.reuse" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert person.names(bucket) == {FIRST}
    assert person.content(f"{bucket}/{FIRST}") == b"somebody's"


def test_a_bucket_that_may_be_reused_loses_only_what_the_run_brought(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    person.make_bucket(bucket)
    for name in (FIRST, "object-of-somebody", "letter.txt"):
        person.put(f"{bucket}/{name}", b"somebody's")
    ran = run(tmp_path, store, {"bucket": bucket, "objects": 4, "object_bytes": 900, "reuse": True})
    assert_all_right(ran)
    assert person.names(bucket) == {FIRST, "object-of-somebody", "letter.txt"}
    assert person.content(f"{bucket}/letter.txt") == b"somebody's"


@ONE
def test_a_bucket_to_be_reused_that_is_not_there_is_made_and_removed(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    assert_all_right(run(tmp_path, store, {"bucket": bucket, "objects": 4, "object_bytes": 900, "reuse": True}))
    assert bucket not in person.buckets()


@ONE
def test_a_bucket_of_loadgen_with_something_of_others_in_it_stays(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    workload = {"bucket": bucket, "objects": 3, "object_bytes": 900}
    assert_all_right(run(tmp_path, store, {**workload, "keep": True}))
    person.put(f"{bucket}/letter.txt", b"somebody's")
    ran = run(tmp_path, store, workload)
    assert ran.exit_code == 0
    assert person.names(bucket) == {MARKER, "letter.txt"}


@ONE
def test_what_a_killed_run_left_is_taken_over_by_the_next(
    store: Server, person: Person, bucket: str, tmp_path: Path
) -> None:
    workload = {"bucket": bucket, "objects": 20, "object_bytes": 900}
    process = start_recipe(tmp_path / "killed", recipe_for(store.url, workload, {"duration_s": 60}))
    wait_until(lambda: n_answered(tmp_path / "killed") > 0)
    process.kill()
    process.wait()
    assert len(person.names(bucket)) == 21
    assert_all_right(run(tmp_path / "next", store, workload))
    assert bucket not in person.buckets()


@pytest.mark.parametrize("store", ["rclone"], indirect=True)
def test_a_run_that_is_stopped_removes_its_bucket(store: Server, person: Person, bucket: str, tmp_path: Path) -> None:
    workload = {"bucket": bucket, "objects": 20, "object_bytes": 900}
    process = start_recipe(tmp_path, recipe_for(store.url, workload, {"duration_s": 60}))
    wait_until(lambda: n_answered(tmp_path) > 0)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert bucket not in person.buckets()


# --- how it is addressed and signed


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("seaweedfs", {"options": ("-s3.domainName=localhost",)}),
        pytest.param("minio", {"environment": {"MINIO_DOMAIN": "localhost"}}, marks=pytest.mark.heavy),
    ],
)
def test_a_bucket_in_the_hosts_name(
    name: str, options: dict[str, Any], need: Callable[[object, str], object], engine: str, tmp_path: Path
) -> None:
    need(SERVERS[name].find(), f"{name} is not installed: python -m servers install {name}")
    more = options.get("options", ())
    named = {key: value for key, value in options.items() if key != "options"}
    with SERVERS[name].start(free_port(), tmp_path / name, *more, **named) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        workload = {"operations": {"put": 1, "get": 1, "list": 1}, "objects": 5, "object_bytes": 900}
        recipe = recipe_for(url, workload, {"requests": 60, "engine": engine}, addressing="virtual")
        ran = run_recipe(tmp_path, recipe)
    assert_all_right(ran)
    assert ran.run["service"]["addressing"] == "virtual"


@pytest.mark.parametrize("store", ["rclone"], indirect=True)
def test_a_session_token_is_signed_as_the_store_demands(store: Server, engine: str, tmp_path: Path) -> None:
    """rclone refuses a request with any x-amz- header that is not among the signed ones, and takes every token."""
    token = "a/session+token=="
    load = {"requests": 30, "concurrency": 1, "engine": engine}
    recipe = recipe_for(store.url, {"objects": 5, "object_bytes": 900}, load, session_token=token)
    ran = run_recipe(tmp_path, recipe)
    assert_all_right(ran)
    assert not any(token in path.read_text(errors="replace") for path in tmp_path.glob("re*/**/*.json*"))


@ONE
def test_signatures_that_are_too_old_are_renewed_while_the_load_goes_on(
    store: Server, bucket: str, engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The plan is signed as of an hour ago: the store refuses that, until the engine asks for new signatures."""
    signed_now = S3Target.work

    class AnHourAgo:
        now = staticmethod(lambda _zone: datetime.now(UTC) - timedelta(hours=1))

    def signed_then(target: S3Target, n_requests: int | None) -> Work:
        work = signed_now(target, n_requests)
        with monkeypatch.context() as patched:
            patched.setattr(endpoint, "datetime", AnHourAgo)
            return work._replace(requests=list(work.requests))

    monkeypatch.setattr(S3Target, "work", signed_then)
    monkeypatch.setattr(once, "_freshly_signed", lambda plan: plan)  # which would sign them before the load
    for module in ("loadgen.plan.model", "loadgen.engine.native.job"):
        monkeypatch.setattr(f"{module}.RENEW_AFTER_NS", NS_PER_S // 2)
    recipe = recipe_for(
        store.url, {"bucket": bucket, "objects": 5, "object_bytes": 900}, {"duration_s": 2, "engine": engine}
    )
    lines = lines_of(loadgen.run(recipe, results=tmp_path / "results", reports=tmp_path / "reports").bundle.folder)
    first, last = min(lines, key=lambda line: line["index"]), max(lines, key=lambda line: line["index"])
    assert (first["outcome"], first["error_code"]) == ("client_error", "RequestTimeTooSkewed")
    assert last["outcome"] == "ok"


@ONE
def test_run_json_says_which_store_it_was(store: Server, bucket: str, tmp_path: Path) -> None:
    ran = run(tmp_path, store, {"objects": 3, "object_bytes": 900, "bucket": bucket}, 10)
    service = ran.run["service"]
    assert service["bucket"] == bucket
    assert service["addressing"] == "path"
    assert service["version"]
    texts = "".join(path.read_text(errors="replace") for path in ran.bundle.rglob("*.json*"))
    assert SECRET_KEY not in texts
    assert ACCESS_KEY not in texts
