"""Stores that refuse, are full, die, or are none: one clear line, or failures that are told apart."""

import resource
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from loadgen.targets.s3.session import Reply
from loadgen.targets.s3.sigv4 import Credentials, Signer
from servers import SERVERS
from servers.process import Server, free_port
from servers.s3 import ACCESS_KEY, REGION, SECRET_KEY
from test_s3_stores import recipe_for
from whole_runs import Ran, n_answered, run_recipe, start_recipe, wait_until

STORES = ["seaweedfs", "rclone", pytest.param("minio", marks=pytest.mark.heavy)]
SMALL = {"objects": 3, "object_bytes": 900}
MIB = 1 << 20


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, start_server: Callable[[str], Server]) -> Server:
    return start_server(request.param)


@pytest.fixture(params=["native", "portable"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start(tmp_path: Path, need: Callable[[object, str], object]) -> Iterator[Callable[..., Server]]:
    """start(name, *options) starts one for this test alone."""
    running: list[Server] = []

    def start_one(name: str, *options: str) -> Server:
        need(SERVERS[name].find(), f"{name} is not installed: python -m servers install {name}")
        running.append(SERVERS[name].start(free_port(), tmp_path / name, *options))
        return running[-1]

    yield start_one
    for server in running:
        server.stop()


def refusal(folder: Path, url: str, **service: Any) -> str:
    """The one line of a run that could not begin."""
    ran = run_recipe(folder, recipe_for(url, SMALL, {"requests": 5}, **service))
    assert ran.exit_code == 3, ran.stderr
    (line,) = ran.stderr.strip().splitlines()
    assert SECRET_KEY not in line
    assert not list((folder / "results").glob("BM-*"))
    return line


def test_keys_that_are_wrong_are_named_by_their_fields(store: Server, tmp_path: Path) -> None:
    other_secret = "not-the-secret-key"
    line = refusal(tmp_path, store.url, secret_key=other_secret)
    assert "service.secret_key is not the one that belongs to service.access_key (SignatureDoesNotMatch)" in line
    assert other_secret not in line
    assert "service.access_key is not known there" in refusal(tmp_path, store.url, access_key="AKIDOFSOMEBODYELSE")
    unsigned = refusal(tmp_path, store.url, access_key=None, secret_key=None)
    assert "may not be read without service.access_key and service.secret_key" in unsigned


@pytest.mark.parametrize("store", ["seaweedfs", pytest.param("minio", marks=pytest.mark.heavy)], indirect=True)
def test_a_session_token_that_nobody_gave_is_refused(store: Server, tmp_path: Path) -> None:
    line = refusal(tmp_path, store.url, session_token="a/token+of+nobody==")
    assert "service.session_token" in line
    assert "token+of" not in line


@pytest.mark.heavy
def test_temporary_credentials_of_minio_are_good_for_a_run(
    start_server: Callable[[str], Server], engine: str, tmp_path: Path
) -> None:
    url = start_server("minio").url
    given = _assume_role(url)
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    access_key, secret_key, token = (given.element(name) for name in names)
    keys = {"access_key": access_key, "secret_key": secret_key, "session_token": token}
    ran = run_recipe(tmp_path, recipe_for(url, SMALL, {"requests": 50, "engine": engine}, **keys))
    assert ran.exit_code == 0, ran.stderr
    assert set(ran.outcomes) == {"ok"}
    assert "service.session_token" in refusal(tmp_path / "wrong", url, **{**keys, "session_token": f"x{token}"})


def _assume_role(url: str) -> Reply:
    """Source: AWS Security Token Service API reference, AssumeRole."""
    body = urllib.parse.urlencode({"Action": "AssumeRole", "Version": "2011-06-15", "DurationSeconds": "900"}).encode()
    host = url.partition("//")[2]
    signer = Signer(Credentials(ACCESS_KEY, SECRET_KEY, REGION, service="sts"), datetime.now(UTC))
    headers = signer.headers("POST", host, "/", "", sha256(body).hexdigest())
    asked = urllib.request.Request(f"{url}/", data=body, headers=headers)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return Reply(answer.status, answer.read())


def test_a_store_that_knows_no_buckets_in_hosts_names_is_told(store: Server, tmp_path: Path) -> None:
    assert "service.addressing: path" in refusal(tmp_path, store.url, addressing="virtual")


# --- what is no store


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[str]:
    """A web server of HTML pages."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Hello</title>")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_html_pages_are_no_s3(pages: str, tmp_path: Path) -> None:
    assert "does not speak S3" in refusal(tmp_path, pages)


def test_other_servers_are_no_s3(start_server: Callable[[str], Server], tmp_path: Path) -> None:
    assert "does not speak S3" in refusal(tmp_path, start_server("nginx").url)
    redis = start_server("redis").url.replace("redis://", "http://")
    assert "this looks like Redis, not HTTP" in refusal(tmp_path, redis)


def test_a_port_without_a_server_or_with_one_that_wants_no_tls_is_told(
    start_server: Callable[[str], Server], tmp_path: Path
) -> None:
    assert "nothing listens there" in refusal(tmp_path, f"http://127.0.0.1:{free_port()}")
    url = start_server("seaweedfs").url.replace("http://", "https://")
    assert "does not speak TLS: write http://" in refusal(tmp_path, url)


# --- stores in trouble


def test_an_object_larger_than_the_store_can_write_is_a_failure_with_its_code(
    start: Callable[..., Server], engine: str, tmp_path: Path
) -> None:
    server = start("rclone")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (MIB, MIB))
    puts = {"operation": "put", "objects": 4, "object_bytes": {"mean": MIB, "std": MIB, "min": 1000, "max": 3 * MIB}}
    recipe = recipe_for(server.url, puts, {"requests": 40, "engine": engine}) | {"seed": 3}
    ran = run_recipe(tmp_path, recipe)
    assert ran.exit_code == 0, ran.stderr
    told = {(line["outcome"], line.get("error_code"), line["request_bytes"] > MIB) for line in ran.lines}
    assert told == {("ok", None, False), ("server_error", "InternalError", True)}
    assert [wrong for _, _, wrong in ran.findings] == [0]
    filled = run_recipe(
        tmp_path / "filled", recipe_for(server.url, {"object_bytes": 2 * MIB, "objects": 2}, {"requests": 5})
    )
    assert filled.exit_code == 3
    assert "2 of 2 objects could not be put" in filled.stderr


def test_a_store_whose_disk_is_full_fails_some_and_keeps_what_it_took(
    start: Callable[..., Server], engine: str, tmp_path: Path
) -> None:
    server = start("seaweedfs", "-volume.max=1")
    puts = {"operation": "put", "objects": 60, "object_bytes": 3 * MIB}
    ran = run_recipe(tmp_path, recipe_for(server.url, puts, {"requests": 60, "engine": engine}))
    assert ran.exit_code == 0, ran.stderr
    assert set(ran.outcomes) == {"ok", "server_error"}
    assert ran.summary["requests"]["by_error_code"] == {"InternalError": ran.outcomes["server_error"]}
    (finding,) = ran.findings
    assert finding == ("read back", finding[1], 0)
    assert finding[1] > 0


def test_a_store_that_dies_ends_the_run_with_what_was_measured(
    start: Callable[..., Server], engine: str, tmp_path: Path
) -> None:
    server = start("rclone")
    load = {"duration_s": 60, "concurrency": 1, "give_up_s": 1, "engine": engine}
    process = start_recipe(tmp_path, recipe_for(server.url, {**SMALL, "bucket": "doomed"}, load))
    wait_until(lambda: n_answered(tmp_path) > 0)
    server.stop()
    ran = Ran(process.wait(), (tmp_path / "said").read_text(), tmp_path)
    assert ran.exit_code == 3
    assert ran.run["status"] == "failed"
    assert "ok" in ran.outcomes
    assert set(ran.outcomes) <= {"ok", "reset", "connect_failed", "cancelled"}
    assert "gave up" in ran.stderr
