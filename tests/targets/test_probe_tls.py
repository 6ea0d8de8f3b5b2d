"""The probe over TLS, and where one side speaks it and the other does not."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.targets import Readiness, probe
from tests.targets.probing import CHAT, GOOD, complaint_of, script_of, target_at
from tests.targets.scripted_http import answer, behind_tls, scripted


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, need: Callable[[Any, str], Any]) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    import shutil
    import subprocess

    openssl = need(shutil.which("openssl"), "openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", f"{path}.key", "-out", str(path)], check=True, capture_output=True)
    return path


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    return context


def _prepared_with_tls(certificate: Path, tls: dict[str, Any], scheme: str = "https") -> Readiness:
    with behind_tls(_tls(certificate), GOOD) as url:
        return asyncio.run(target_at(url.replace("https", scheme, 1), service={"tls": tls}).prepare())


def test_a_certificate_of_a_named_authority_is_accepted(certificate: Path) -> None:
    ready = _prepared_with_tls(certificate, {"ca_file": str(certificate)})
    assert (ready.address.tls, ready.address.tls_ca_file) == (True, str(certificate))


def test_verification_can_be_switched_off(certificate: Path) -> None:
    assert _prepared_with_tls(certificate, {"verify": False}).address.tls_verify is False


def test_a_certificate_of_nobody_known_is_said(certificate: Path) -> None:
    with pytest.raises(TargetError, match=r"its certificate is not accepted .*service\.tls\.ca_file"):
        _prepared_with_tls(certificate, {})


def test_plain_http_to_a_tls_port_is_said(certificate: Path) -> None:
    with pytest.raises(TargetError, match="this port speaks TLS: write https://"):
        _prepared_with_tls(certificate, {}, "http")


def test_plain_http_to_a_tls_port_that_says_so_is_said() -> None:
    refusal = answer("Client sent an HTTP request to an HTTPS server.\n", 400, "text/plain")
    assert "this port speaks TLS: write https:// in service.url" in complaint_of(script_of({CHAT: refusal}))


def test_tls_to_a_plain_port_is_said() -> None:
    async def prepare() -> None:
        async with scripted(lambda _: answer("", 400)) as server:
            server_url = server.url.replace("http", "https", 1)
            await target_at(server_url).prepare()

    with pytest.raises(TargetError, match="this port does not speak TLS: write http://"):
        asyncio.run(prepare())


def test_a_port_that_never_answers_a_handshake_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = target_at(f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TargetError, match=r"no TLS handshake within 0\.2 s"):
            asyncio.run(target.prepare())


def test_tls_to_a_plain_port_that_keeps_silent_at_a_handshake_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_TIMEOUT_S", 0.2)

    async def prepare() -> None:
        async with scripted(lambda _: answer("", 404), silent_to_tls=True) as server:
            await target_at(server.url.replace("http", "https", 1)).prepare()

    with pytest.raises(TargetError, match="this port does not speak TLS: write http://"):
        asyncio.run(prepare())


def test_an_authorities_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def prepare() -> None:
        async with scripted(script_of({})) as server:
            tls = {"ca_file": str(tmp_path / "none.pem")}
            await target_at(server.url.replace("http", "https", 1), service={"tls": tls}).prepare()

    with pytest.raises(TargetError, match=r"service\.tls\.ca_file: .*none\.pem: No such file"):
        asyncio.run(prepare())
