"""Every error is one line on stderr, with the right exit code and without a traceback."""

import http.server
import json
import resource
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import LOADGEN, Run, environment

SIMULATOR = "service: {kind: simulator, ttft_ms: 1, itl_ms: 1}\n"
CHAT = "workload: {output_tokens: 2, prompts: {input_tokens: 4}}\nload: {requests: 3}\n"

RECIPE, SERVICE, HOST = 2, 3, 4


@pytest.fixture
def fails(run: Run, tmp_path: Path) -> Callable[..., str]:
    """fails(recipe text, exit code) runs the recipe and gives the one line on stderr."""

    def line_of(text: str, code: int, *args: str, **options: Any) -> str:
        (tmp_path / "r.yaml").write_text(text)
        return only_line(run("r.yaml", "--quiet", *args, **options), code)

    return line_of


def only_line(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("service: {kind: simulator\n", "r.yaml:2: not YAML: "),
        (SIMULATOR + "load: {concurrency: many}", "r.yaml:2: load.concurrency: must be a whole number, got 'many'"),
        (SIMULATOR + "load: {concurency: 4}", "r.yaml:2: load.concurency: unknown field, did you mean concurrency?"),
        ("service: {kind: olama}", "r.yaml:1: service.kind: unknown service 'olama', did you mean ollama?"),
        (
            SIMULATOR + "load: {rate_per_s: 4, concurrency: 4}",
            "r.yaml:2: load.rate_per_s: both rate_per_s and concurrency",
        ),
        (SIMULATOR + "slo: [p99_ttft << 4 ms]", "r.yaml:2: slo[0]: must read STATISTIC OP VALUE UNIT"),
        (
            "service: {kind: vllm, model: m, api_key: '${NOT_SET}'}",
            "r.yaml:1: service.api_key: the variable NOT_SET is not set",
        ),
    ],
)
def test_wrong_recipe(fails: Callable[..., str], text: str, line: str) -> None:
    assert fails(text, RECIPE).startswith(line)


def test_all_mistakes_of_a_recipe_are_a_line_each(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("service: {kind: simulator, slots: 0}\nload: {concurrency: 0}\nslo: [fast]\n")
    done = run("r.yaml")
    assert done.returncode == RECIPE
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["none.yaml"], "none.yaml: no such file"),
        (["lits"], "loadgen: lits: no such file, and no such command; did you mean list?"),
        (["list", "--jsno"], "loadgen: No such option"),
        (["run"], "loadgen: Missing argument"),
        (["run", "r.yaml", "--set", "load"], "loadgen: Invalid value for '--set'"),
        (["verify", "BM-20260101-001"], "BM-20260101-001: no such run in results"),
        (["report", "latest"], "latest: no runs in results"),
        (["--rerun", "BM-20260101-001"], "BM-20260101-001: no such run in results"),
        (["report", "sweep_BM-20260101-001_BM-20260101-002"], "sweep_BM-20260101-001_BM-20260101-002: no such folder"),
    ],
)
def test_wrong_command_line(run: Run, args: list[str], line: str) -> None:
    assert only_line(run(*args), RECIPE).startswith(line)


def test_bundle_of_a_newer_version_is_refused(run: Run, tmp_path: Path) -> None:
    bundle = tmp_path / "results" / "BM-20260101-001"
    bundle.mkdir(parents=True)
    (bundle / "run.json").write_text(json.dumps({"schema_version": 999, "benchmark_id": bundle.name}))
    for command in ("report", "verify", "rerun"):
        assert "written by a newer loadgen" in only_line(run(command, bundle.name), RECIPE)
    listed = run("list")
    assert listed.returncode == 0
    assert "written by a newer loadgen" in listed.stderr


class Refusing(http.server.BaseHTTPRequestHandler):
    """Lets nobody in without a key, and has no other model than `tiny`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "tiny"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer right":
            self.reply(401, {"error": {"message": f"not the right key: {self.headers.get('Authorization')}"}})
        else:
            self.reply(404, {"error": {"message": "no such model"}})

    def reply(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """serve(context) starts the refusing server, over TLS where a context is given, and gives its port."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(context: ssl.SSLContext | None = None) -> int:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def openai(url: str, key: str = "right", model: str = "tiny") -> str:
    return f"service: {{kind: openai, url: '{url}', model: {model}, api_key: {key}}}\n{CHAT}"


def test_refused_connection(fails: Callable[..., str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    assert f"127.0.0.1:{port}" in fails(openai(f"http://127.0.0.1:{port}"), SERVICE)


def test_name_that_does_not_resolve(fails: Callable[..., str]) -> None:
    assert "no-such-host.invalid" in fails(openai("http://no-such-host.invalid"), SERVICE)


def test_wrong_key_is_said_and_not_shown(fails: Callable[..., str], serve: Callable[..., int]) -> None:
    line = fails(openai(f"http://127.0.0.1:{serve()}", key="sk-wrong-key"), SERVICE)
    assert "401" in line
    assert "sk-wrong-key" not in line


def test_unknown_model_is_said_with_those_there_are(fails: Callable[..., str], serve: Callable[..., int]) -> None:
    line = fails(openai(f"http://127.0.0.1:{serve()}", model="huge"), SERVICE)
    assert "huge" in line
    assert "tiny" in line


def test_tls_to_a_plain_port(fails: Callable[..., str], serve: Callable[..., int]) -> None:
    assert "http://" in fails(openai(f"https://127.0.0.1:{serve()}"), SERVICE)


def test_plain_to_a_tls_port(
    fails: Callable[..., str], serve: Callable[..., int], tmp_path: Path, need: Callable[[Any, str], Any]
) -> None:
    program = need(shutil.which("openssl"), "openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([program, *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    assert "https://" in fails(openai(f"http://127.0.0.1:{serve(context)}"), SERVICE)


def test_service_that_fails_every_request(fails: Callable[..., str], run: Run, tmp_path: Path) -> None:
    line = fails(f"service: {{kind: simulator, ttft_ms: 1, error_ratio: 1}}\n{CHAT}", SERVICE)
    assert "server_error" in line
    assert [path.name for path in (tmp_path / "results").iterdir()] == [line.split(":")[0]]
    assert run("verify", "latest").returncode == 0


def test_results_folder_that_cannot_be_written(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    assert fails(SIMULATOR + CHAT, HOST, "--results", "taken/results").startswith("taken/results: ")


def test_disk_that_fills_up_leaves_a_valid_bundle(run: Run, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the write fails in the same place."""
    (tmp_path / "r.yaml").write_text(SIMULATOR + CHAT.replace("requests: 3", "requests: 5000, concurrency: 32"))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    done = run("r.yaml", "--quiet", preexec_fn=limit)
    assert "requests.jsonl" in only_line(done, HOST)
    assert done.stdout.splitlines()[-2].startswith("Report: ")
    (problem,) = run("verify", "latest").stdout.splitlines()
    assert "requests were lost because the disk was full" in problem
    bundle = next((tmp_path / "results").iterdir())
    assert json.loads((bundle / "run.json").read_text())["status"] == "failed"
    assert run("report", "latest").returncode == 0


def test_too_few_descriptors(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(SIMULATOR + CHAT.replace("requests: 3", "requests: 600, concurrency: 300"))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    line = only_line(run("r.yaml", "--quiet", preexec_fn=limit), HOST)
    assert "descriptors" in line or "open files" in line


def test_fault_of_its_own_is_one_line_and_a_traceback_where_it_is_asked_for(tmp_path: Path) -> None:
    program = "import loadgen.cli.main as m, loadgen.recipe as r\nr.recipe_schema = lambda: 1 / 0\nm.main()"
    command = [LOADGEN[0], "-c", program, "schema"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert only_line(done, HOST).startswith("loadgen: a fault of its own: ZeroDivisionError")
    for more, env in ([["--traceback"], {}], [[], {"LOADGEN_TRACEBACK": "1"}]):
        told = subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment(**env), capture_output=True, text=True, check=False
        )
        assert told.returncode == HOST
        assert "Traceback" in told.stderr


def test_reader_that_has_seen_enough_is_no_error(run: Run, tmp_path: Path) -> None:
    command = " ".join([*LOADGEN, "schema", "|", "head", "-n", "1"])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
