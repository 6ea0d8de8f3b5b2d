"""PostgreSQL that wants a password, speaks TLS, is full, goes away, or is none: each test has a server of its own."""

import http.server
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from servers import postgresql
from servers.process import Server, free_port
from tests.servers import psql
from tests.servers.whole_runs import (
    WITHIN_S,
    Ran,
    interrupt,
    loadgen,
    n_answered,
    n_failed,
    run_recipe,
    start_recipe,
    wait_until,
)

pytestmark = pytest.mark.timeout(300)

PASSWORD = "s3cret of nobody's"
MIXED = {"operations": {"select": 1, "update": 1}, "rows": 100}

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path, need: Callable[[object, str], object]) -> Iterator[Start]:
    """start(port, auth=…, options=…) starts one for this test, on the same data each time."""
    need(postgresql.find(), "postgresql is not installed: python -m servers install postgresql")
    with ExitStack() as stack:

        def start_one(port: int | None = None, **how: Any) -> Server:
            return stack.enter_context(postgresql.start(port or free_port(), tmp_path / "server", **how))

        yield start_one


def recipe_for(url: str, load: dict[str, Any], workload: dict[str, Any] = MIXED, **service: Any) -> dict[str, Any]:
    return {"service": {"kind": "postgresql", "url": url, **service}, "workload": workload, "load": load}


def run(folder: Path, url: str, load: dict[str, Any], workload: dict[str, Any] = MIXED, **service: Any) -> Ran:
    return run_recipe(folder, recipe_for(url, load, workload, **service))


def is_nowhere(secret: str, folder: Path) -> bool:
    return not any(secret.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("engine", ["native", "portable"])
@pytest.mark.parametrize("auth", ["password", "md5", "scram-sha-256"])
def test_a_password_lets_us_in_and_is_written_nowhere(start: Start, tmp_path: Path, auth: str, engine: str) -> None:
    server = start(auth=auth, password=PASSWORD)
    load = {"concurrency": 3, "requests": 60, "engine": engine}
    ran = run(tmp_path / "right", server.url.replace("postgres@", "postgres:s3cret%20of%20nobody's@"), load)
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 60}
    (tmp_path / "right" / "recipe.yaml").unlink()
    assert is_nowhere(PASSWORD, tmp_path / "right")
    assert is_nowhere("s3cret%20of", tmp_path / "right")
    wrong = run(tmp_path / "wrong", server.url, load, password="not that one")
    assert wrong.exit_code == 3
    assert "service.password and service.user (postgres) are not accepted" in wrong.stderr
    assert "not that one" not in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1
    none = run(tmp_path / "none", server.url, load)
    assert (none.exit_code, "the server wants a password for postgres" in none.stderr) == (3, True)


class _Pages(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_another_kind_of_server_on_the_port_is_one_line(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            ran = run(tmp_path, f"postgresql://postgres@127.0.0.1:{server.server_address[1]}/d", {"requests": 1})
        finally:
            server.shutdown()
            thread.join()
    assert ran.exit_code == 3
    assert "this is no PostgreSQL server: it speaks HTTP" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_nothing_on_the_port_is_one_line(tmp_path: Path) -> None:
    ran = run(tmp_path, f"postgresql://postgres@127.0.0.1:{free_port()}/d", {"requests": 1})
    assert (ran.exit_code, "connection refused" in ran.stderr) == (3, True)
    assert len(ran.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_a_server_that_shuts_down_leaves_a_whole_bundle_that_says_why(
    start: Start, tmp_path: Path, engine: str
) -> None:
    server = start()
    load = {"concurrency": 4, "duration_s": 30, "engine": engine, "give_up_s": 1}
    running = start_recipe(tmp_path / "run", recipe_for(server.url, load))
    wait_until(lambda: n_answered(tmp_path / "run") > 500)
    server.stop()
    assert running.wait() == 3
    ran = Ran(3, "", tmp_path / "run")
    assert ran.run["status"] == "failed"
    codes = {line.get("error_code") for line in ran.lines if line["outcome"] != "ok"}
    assert codes <= {"57P01", None}
    assert ran.outcomes["ok"] > 500
    assert any("could not be" in note for note in ran.run["notes"])
    assert loadgen("verify", str(ran.bundle)).returncode == 0


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_what_was_acknowledged_survives_a_crash(start: Start, tmp_path: Path, engine: str) -> None:
    server = start()
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    load = {"concurrency": 4, "duration_s": 250, "engine": engine, "give_up_s": 100}
    running = start_recipe(tmp_path / "run", recipe_for(server.url, load))
    wait_until(lambda: n_answered(tmp_path / "run") > 500)
    crash(server)
    wait_until(lambda: n_failed(tmp_path / "run") > 0)
    n_before = n_answered(tmp_path / "run", "ok")
    start(port)
    wait_until(lambda: n_answered(tmp_path / "run", "ok") > n_before + 500)
    interrupt(running)
    ran = Ran(130, "", tmp_path / "run")
    ((name, n_checked, n_wrong),) = ran.findings
    assert (name, n_checked > 0, n_wrong) == ("read back", True, 0)
    assert ran.outcomes["wrong_answer"] == 0
    assert ran.outcomes["ok"] > 500
    assert sum(ran.outcomes.values()) > ran.outcomes["ok"]


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_what_a_server_forgets_though_it_was_acknowledged_is_said(start: Start, tmp_path: Path, engine: str) -> None:
    server = start(options={"synchronous_commit": "off", "wal_writer_delay": "10s"})
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    load = {"concurrency": 4, "duration_s": 250, "engine": engine, "give_up_s": 100}
    workload = {"operations": {"select": 1, "update": 1}, "rows": 20_000}
    running = start_recipe(tmp_path / "run", recipe_for(server.url, load, workload))
    wait_until(lambda: n_answered(tmp_path / "run") > 2000)
    crash(server)
    start(port)
    wait_until(lambda: n_answered(tmp_path / "run", "wrong_answer") > 0)
    interrupt(running)
    ran = Ran(130, "", tmp_path / "run")
    assert ran.summary["wrong"] > 0
    assert ran.outcomes["wrong_answer"] > 0
    errors = {line["error"] for line in ran.lines if line["outcome"] == "wrong_answer"}
    assert all(error.startswith("version ") and error.endswith("was acknowledged before") for error in errors)


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_a_connection_that_the_server_ends_is_opened_again(start: Start, tmp_path: Path, engine: str) -> None:
    server = start()
    load = {"concurrency": 4, "duration_s": 250, "engine": engine}
    running = start_recipe(tmp_path / "run", recipe_for(server.url, load))
    wait_until(lambda: n_answered(tmp_path / "run") > 500)
    end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'loadgen%'"
    assert psql.number(server, end_all) == 5  # the load's, and the one that watches
    n_before = n_answered(tmp_path / "run", "ok")
    wait_until(lambda: n_answered(tmp_path / "run", "ok") > n_before + 500)
    interrupt(running)
    ran = Ran(130, "", tmp_path / "run")
    failed = [line for line in ran.lines if line["outcome"] not in ("ok", "cancelled")]
    assert len(failed) <= 4
    assert {line.get("error_code") for line in failed} <= {"57P01", None}
    assert ran.outcomes["ok"] > n_before
    assert ran.findings[0][2] == 0


def crash(server: Server) -> None:
    """As if it were killed; its children notice, and end, too: until the last has, its memory is in use."""
    server.process.send_signal(signal.SIGSTOP)  # it makes no more children
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(children, timeout=WITHIN_S)
    assert not alive
    (server.folder / "data" / "postmaster.pid").unlink(missing_ok=True)


def test_more_clients_than_the_server_takes_are_said_before_and_counted(start: Start, tmp_path: Path) -> None:
    server = start(options={"max_connections": "8", "max_wal_senders": "0"})
    ran = run(tmp_path, server.url, {"concurrency": 12, "requests": 400})
    assert any("connections left, for 12 clients" in note for note in ran.run["notes"])
    refused = [line for line in ran.lines if line["outcome"] != "ok"]
    assert ran.outcomes["ok"] > 0
    assert {line["outcome"] for line in refused} == {"connect_failed"}
    assert all("53300" in line["error"] or "too many" in line["error"] for line in refused)


@contextmanager
def small_disk(folder: Path, need: Callable[[object, str], object]) -> Iterator[Path]:
    """One of 12 MB, which PostgreSQL's user owns."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True)
    need(made.returncode == 0, "no small disk can be mounted here")
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_while_filling_and_counted_while_running(
    start: Start, tmp_path: Path, need: Callable[[object, str], object]
) -> None:
    with small_disk(tmp_path / "disk", need) as disk:
        server = start()
        psql.say(server, f"CREATE TABLESPACE small LOCATION '{disk}'")
        service = {"parameters": {"default_tablespace": "small"}}
        filling = run(tmp_path / "filling", server.url, {"requests": 1}, {"rows": 200_000}, **service)
        assert filling.exit_code == 3
        assert "No space left on device" in filling.stderr
        assert "53100" in filling.stderr
        assert psql.tables(server) == []
        bringing = {"operation": "insert", "value_bytes": 1000}
        ran = run(tmp_path / "running", server.url, {"concurrency": 2, "requests": 20_000}, bringing, **service)
        assert {line["error_code"] for line in ran.lines if line["outcome"] != "ok"} == {"53100"}
        assert set(ran.outcomes) == {"ok", "server_error"}
        assert ran.outcomes["server_error"] > 0
        server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, need: Callable[[Any, str], Any]) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key beside it."""
    openssl = need(shutil.which("openssl"), "openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", f"{path}.key", "-out", str(path)], check=True, capture_output=True)
    return path


def _serve_tls(listener: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pass_on, args=(client, context, upstream), daemon=True).start()


def _pass_on(client: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    with client:
        if client.recv(8, socket.MSG_WAITALL) != b"\0\0\0\x08\x04\xd2\x16\x2f":
            return
        client.sendall(b"S")
        try:
            secured = context.wrap_socket(client, server_side=True)
        except OSError:
            return
        with secured, socket.create_connection(upstream) as server:
            other = threading.Thread(target=_pump, args=(server, secured), daemon=True)
            other.start()
            _pump(secured, server)
            other.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def behind_tls(server: Server, certificate: Path) -> Iterator[str]:
    """The url of a door that speaks TLS. The server's own build has none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=_serve_tls, args=(listener, context, ("127.0.0.1", port)))
        thread.start()
        yield server.url.replace(f":{port}", f":{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_tls_is_carried_by_the_portable_engine(start: Start, tmp_path: Path, certificate: Path) -> None:
    server = start(auth="scram-sha-256", password=PASSWORD)
    with behind_tls(server, certificate) as url:
        load = {"concurrency": 3, "requests": 100}
        ran = run(tmp_path / "a", f"{url}?sslmode=require", load, password=PASSWORD)
        assert ran.exit_code == 0, ran.stderr
        assert ran.outcomes == {"ok": 100}
        assert ran.run["clients"][0]["engine"] == "portable"
        assert ran.run["service"]["tls"] is True
        trusted = run(tmp_path / "b", url, load, password=PASSWORD, tls={"ca_file": str(certificate)})
        assert trusted.outcomes == {"ok": 100}
        unknown = run(tmp_path / "c", f"{url}?sslmode=verify-full", load, password=PASSWORD)
        assert unknown.exit_code == 3
        assert "its certificate is not accepted" in unknown.stderr


def test_tls_that_the_server_does_not_have_is_said(start: Start, tmp_path: Path) -> None:
    ran = run(tmp_path, start().url + "?sslmode=require", {"requests": 1})
    assert (ran.exit_code, "the server has TLS switched off" in ran.stderr) == (3, True)
