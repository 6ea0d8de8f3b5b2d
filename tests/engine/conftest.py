"""Every behaviour is held against every engine."""

import gc
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engines import ENGINES
from harness import Engine


def pytest_collection_finish() -> None:
    """What was there before all runs need not be gone through after each, when the tests look for what it left."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn."""
    return ENGINES[request.param](tmp_path)


@pytest.fixture(scope="session")
def certificate(need: Callable[[object, str], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) for the name service.test, signed by itself."""
    openssl = need(shutil.which("openssl"), "there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=service.test"]
    command += ["-addext", "subjectAltName=DNS:service.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
