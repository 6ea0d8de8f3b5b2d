"""What only the portable engine carries: TLS and proxies; and that it needs nothing compiled of loadgen's own."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dialects import chat_stream
from harness import RUN_TAG, Engine, KeepingSink
from plans import plan_of
from scripted import Peer, ScriptedServer, each, say

from loadgen.engine import portable
from loadgen.engine.contract import Address, Ending, Job, Live
from loadgen.errors import EngineError
from loadgen.records import NEVER, Outcome


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class TlsServer:
    """Answers every request with a chat stream, over TLS."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.script = each(say(chat_stream(3)))
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context)
        port: int = self.listener.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, ScriptedServer(self.script), 0)
        with contextlib.suppress(EOFError, OSError):
            await self.script(peer)
        await peer.close()

    async def stop(self) -> None:
        self.listener.close()
        await self.listener.wait_closed()


def fire_over_tls(certificate: tuple[Path, Path], folder: Path, **address: object) -> tuple[Ending, KeepingSink]:
    async def main() -> tuple[Ending, KeepingSink]:
        server = TlsServer(certificate)
        port = await server.start()
        sink = KeepingSink(folder / "requests.jsonl")
        settings = {"server_name": "service.test", "tls": True, "tls_ca_file": str(certificate[0]), **address}
        where = Address(socket.AF_INET, "127.0.0.1", port, **settings)  # type: ignore[arg-type]
        ending = await portable.fire([Job(plan_of(4, connections=2), where)], sink, Live())
        await server.stop()
        return ending, sink

    return asyncio.run(main())


def records_of(sink: KeepingSink) -> np.ndarray:  # type: ignore[type-arg]
    return np.concatenate([block.records for block in sink.blocks])


def test_tls_is_carried(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    ending, sink = fire_over_tls(certificate, tmp_path)
    records = records_of(sink)
    assert records["outcome"].tolist() == [Outcome.OK] * 4
    assert (records["sent_at_ns"] != NEVER).all()
    assert (records["first_byte_at_ns"] >= records["sent_at_ns"]).all()
    assert ending.n_sent == 4


@pytest.mark.parametrize("wrong", [{"tls_ca_file": None}, {"server_name": "other.test"}])
def test_a_certificate_that_does_not_hold_is_a_failed_connection(
    certificate: tuple[Path, Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    _, sink = fire_over_tls(certificate, tmp_path, **wrong)
    records = records_of(sink)
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 4
    assert all(b"certificate" in error.lower() for error in records["error"])


def test_a_certificate_is_not_looked_at_where_that_is_asked_for(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    _, sink = fire_over_tls(certificate, tmp_path, tls_ca_file=None, tls_verify=False, server_name="other.test")
    assert records_of(sink)["outcome"].tolist() == [Outcome.OK] * 4


def test_tls_to_a_plain_port_is_a_failed_connection(tmp_path: Path) -> None:
    async def main() -> KeepingSink:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        listener = await asyncio.start_server(script, "127.0.0.1", 0)
        sink = KeepingSink(tmp_path / "lines")
        where = Address(socket.AF_INET, "127.0.0.1", listener.sockets[0].getsockname()[1], "127.0.0.1", tls=True)
        await portable.fire([Job(plan_of(2), where)], sink, Live())
        listener.close()
        return sink

    assert records_of(asyncio.run(main()))["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 2


class Proxy:
    """An HTTP proxy that knows CONNECT; `asked` holds the names it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def start(self, port: int) -> str:
        self.port = port
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.listener.sockets[0].getsockname()[1]}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        assert method == b"CONNECT"
        self.asked.append(target.decode())
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while text := await reader.read(65536):
            writer.write(text)
            await writer.drain()
    writer.close()


def test_the_environments_proxy_is_asked_for_the_services_name(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[list[str], KeepingSink, int]:
        server, proxy = TlsServer(certificate), Proxy()
        port = await server.start()
        monkeypatch.setenv("HTTPS_PROXY", await proxy.start(port))
        sink = KeepingSink(tmp_path / "lines")
        where = Address(socket.AF_INET, "127.0.0.1", port, "service.test", tls=True, tls_ca_file=str(certificate[0]))
        await portable.fire([Job(plan_of(4, connections=2), where)], sink, Live())
        proxy.listener.close()
        await server.stop()
        return proxy.asked, sink, port

    asked, sink, port = asyncio.run(main())
    assert records_of(sink)["outcome"].tolist() == [Outcome.OK] * 4
    assert asked == [f"service.test:{port}"] * 2


def test_a_plain_connection_to_this_host_needs_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    engine = Engine("portable", portable.fire, tmp_path, asyncio.new_event_loop)
    assert engine.carry(plan_of(2), each(say(chat_stream(1)))).outcomes == ["ok", "ok"]


def test_it_runs_without_anything_compiled_of_loadgens_own() -> None:
    program = (
        "import sys\n"
        "sys.modules['loadgen.engine._native'] = sys.modules['loadgen.bundle._reader'] = None\n"
        "from loadgen.engine import portable\n"
        "assert not [name for name, module in sys.modules.items() if module and name.startswith('loadgen') and "
        "getattr(module, '__file__', '').endswith('.so')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_tag_that_leaves_no_room_for_an_index_is_refused(tmp_path: Path) -> None:
    sink = KeepingSink(tmp_path / "lines", run_tag=RUN_TAG + "-too-long")
    where = Address(socket.AF_INET, "127.0.0.1", 1, "127.0.0.1")
    with pytest.raises(EngineError, match="leaves no room"):
        asyncio.run(portable.fire([Job(plan_of(), where)], sink, Live()))
