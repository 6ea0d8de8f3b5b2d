"""Calls of a user's own client, which only the portable engine makes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines import ENGINES
from harness import Engine, KeepingSink, until
from plans import CHAT, MS, closed, open_plan_of, opened, plan_of, with_values

from loadgen.engine.contract import Address, Ending, Job, Live, Why
from loadgen.plan.model import Operation, Plan, Request, Wire, pool_of
from loadgen.records import NEVER, FinishReason, Outcome, TokenSource

NOWHERE = Address(0, "", 0, "")
CALLS = {"wire": Wire.CALL, "operations": (Operation("ask"),), "pool": pool_of([Request(b"")])}


@pytest.fixture(params=["portable", "portable_on_uvloop"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


def calls_of(requests: int | None = 1, **changes: Any) -> Plan:
    return plan_of(requests, **{**CALLS, **changes})


def carry(
    engine: Engine, plan: Plan, make_client: Callable[[], Any], watch: Callable[[Live], Any] | None = None
) -> tuple[Ending, Any, Live]:
    """The ending, the records by index, the counters."""

    async def main() -> Ending:
        beside = asyncio.ensure_future(watch(live)) if watch else None
        ending = await engine.fire([Job(plan, NOWHERE, make_client)], sink, live)
        if beside is not None:
            await beside
        return ending

    live = Live()
    sink = KeepingSink(engine.folder / "lines")
    ending = engine.run(main())
    assert live.n_finished == ending.n_planned == len(sink.records)
    assert (live.n_in_flight, ending.n_sent) == (0, (sink.records["sent_at_ns"] != NEVER).sum())
    return ending, np.sort(sink.records, order="index"), live


def outcomes(records: Any) -> list[str]:
    return [Outcome(number).name.lower() for number in records["outcome"]]


def calling(answer: Callable[..., Any]) -> Callable[[], Any]:
    """Clients that do nothing but answer."""

    class Client:
        async def request(self, operation: str, index: int, values: Sequence[int]) -> Any:
            return answer(operation, index, values)

    return Client


def test_a_client_is_told_what_to_do(engine: Engine) -> None:
    asked: list[tuple[Any, ...]] = []
    plan = calls_of(3, draw=with_values(closed(), lambda index: [index * 7]))
    ending, records, _ = carry(engine, plan, calling(lambda *said: asked.append(said)))
    assert asked == [("ask", index, (index * 7, 0, 0, 0)) for index in range(3)]
    assert outcomes(records) == ["ok"] * 3
    assert (records["done_at_ns"] >= records["sent_at_ns"]).all()
    assert ending.why is Why.DONE


@pytest.mark.parametrize(
    ("answer", "n_bytes"), [(None, 0), (b"four", 4), ("é", 2), (1234, 1234), (bytearray(5), 5), ({"a": 1}, 0)]
)
def test_the_size_of_what_it_returns_counts(engine: Engine, answer: Any, n_bytes: int) -> None:
    _, records, _ = carry(engine, calls_of(), calling(lambda *_: answer))
    assert (records["response_bytes"][0], records["request_bytes"][0], records["n_events"][0]) == (n_bytes, 0, 0)


def test_what_it_yields_are_content_events(engine: Engine) -> None:
    class Client:
        async def request(self, *_: Any) -> AsyncIterator[str]:
            for word in ("a", "bc", "d"):
                await asyncio.sleep(0)
                yield word

    _, records, live = carry(engine, calls_of(2, operations=(CHAT,)), Client)
    assert outcomes(records) == ["ok"] * 2
    assert records["n_events"].tolist() == records["output_tokens"].tolist() == [3, 3]
    assert set(records["token_source"].tolist()) == {TokenSource.EVENTS}
    assert records["response_bytes"].tolist() == [4, 4]
    assert records["n_gaps"].tolist() == [2, 2]
    assert (records["first_token_at_ns"] <= records["last_token_at_ns"]).all()
    assert set(records["finish_reason"].tolist()) == {FinishReason.NONE}
    assert live.n_tokens == 6


def test_an_iterator_that_it_returns_is_gone_through_too(engine: Engine) -> None:
    async def words() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    _, records, _ = carry(engine, calls_of(operations=(CHAT,)), calling(lambda *_: words()))
    assert records["n_events"].tolist() == [2]


def test_a_text_that_was_to_have_tokens_is_one_event(engine: Engine) -> None:
    _, records, _ = carry(engine, calls_of(operations=(CHAT,)), calling(lambda *_: "hello"))
    assert (outcomes(records), records["n_events"].tolist()) == (["ok"], [1])


def test_no_content_where_there_was_to_be_some_is_empty(engine: Engine) -> None:
    _, records, _ = carry(engine, calls_of(operations=(CHAT,)), calling(lambda *_: None))
    assert outcomes(records) == ["empty_output"]


@pytest.mark.parametrize(
    ("reason", "outcome", "said"),
    [
        (ValueError("no such\nthing"), "server_error", b"no such thing"),
        (TimeoutError(), "timeout", b""),
        (ConnectionResetError(104, "x"), "reset", b"Connection reset by peer"),
        (ConnectionAbortedError("gone"), "reset", b"gone"),
        (ConnectionRefusedError(111, "x"), "connect_failed", b"Connection refused"),
        (FileNotFoundError(2, "x"), "server_error", None),
    ],
)
def test_an_exception_is_an_outcome(engine: Engine, reason: Exception, outcome: str, said: bytes | None) -> None:
    turn = iter(range(3))

    def answer(*_: Any) -> None:
        if next(turn) == 0:
            raise reason

    _, records, _ = carry(engine, calls_of(2), calling(answer))
    assert outcomes(records) == [outcome, "ok"]
    assert records["error_code"][0] == type(reason).__name__.encode()
    assert said is None or records["error"][0] == said
    assert records["done_at_ns"][0] == NEVER


def test_an_exception_after_some_content_keeps_the_content(engine: Engine) -> None:
    class Client:
        async def request(self, *_: Any) -> AsyncIterator[str]:
            yield "a"
            raise RuntimeError("broke off")

    _, records, _ = carry(engine, calls_of(operations=(CHAT,)), Client)
    assert (outcomes(records), records["n_events"].tolist()) == (["server_error"], [1])


class Logging:
    """Counts what becomes of its clients."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.log: list[str] = []
        self.methods = methods

    def __call__(self) -> Any:
        outer = self

        class Client:
            async def open(self) -> None:
                outer.log.append("open")
                await outer.methods.get("open", _nothing)()

            async def request(self, *said: Any) -> Any:
                outer.log.append("request")
                return await outer.methods.get("request", _nothing)(*said)

            async def close(self) -> None:
                outer.log.append("close")
                await outer.methods.get("close", _nothing)()

        return Client()


async def _nothing(*_: Any) -> None:
    pass


async def _forever(*_: Any) -> None:
    await asyncio.Event().wait()


async def _failing(*_: Any) -> None:
    raise LookupError("not today")


def test_each_connection_has_a_client_that_is_opened_and_closed(engine: Engine) -> None:
    clients = Logging()
    _, records, _ = carry(engine, calls_of(20, connections=3), clients)
    assert clients.log[:3] == ["open"] * 3
    assert clients.log[-3:] == ["close"] * 3
    assert clients.log.count("request") == 20
    assert set(records["connection"].tolist()) <= {0, 1, 2}


def test_a_client_that_cannot_be_opened_is_a_failed_connection(engine: Engine) -> None:
    clients = Logging(open=_failing)
    ending, records, _ = carry(engine, calls_of(2), clients)
    assert outcomes(records) == ["connect_failed"] * 2
    assert set(records["error_code"].tolist()) == {b"LookupError"}
    assert set(records["error"].tolist()) == {b"not today"}
    assert (records["planned_at_ns"][1] - records["planned_at_ns"][0]) >= 10 * MS, "it backs off"
    assert ending.n_sent == 0
    assert clients.log.count("open") == clients.log.count("close")


def test_a_call_that_takes_too_long_is_a_timeout_and_its_client_is_replaced(engine: Engine) -> None:
    clients = Logging(request=_forever)
    _, records, _ = carry(engine, calls_of(2, timeout_ns=100 * MS), clients)
    assert outcomes(records) == ["timeout"] * 2
    assert clients.log == ["open", "request", "close"] * 2


def test_a_stop_cancels_calls_with_their_records(engine: Engine) -> None:
    async def watch(live: Live) -> None:
        await until(lambda: live.n_sent == 3)
        live.stop()

    clients = Logging(request=_forever)
    ending, records, _ = carry(engine, calls_of(None, connections=3), clients, watch)
    assert outcomes(records) == ["cancelled"] * 3
    assert ending.why is Why.STOPPED
    assert clients.log.count("close") == 3


def test_a_client_that_fails_to_close_ends_no_run(engine: Engine) -> None:
    _, records, _ = carry(engine, calls_of(2), Logging(close=_failing))
    assert outcomes(records) == ["ok"] * 2


def test_calls_follow_a_schedule(engine: Engine) -> None:
    when_ns = [number * 5 * MS for number in range(10)]
    plan = open_plan_of(when_ns, **CALLS, draw=opened(when_ns))
    _, records, _ = carry(engine, plan, calling(lambda *_: None))
    assert records["planned_at_ns"].tolist() == when_ns
    assert (records["sent_at_ns"] >= when_ns).all()


def test_a_plan_of_calls_needs_a_client(engine: Engine) -> None:
    from loadgen.errors import EngineError

    async def main() -> None:
        await engine.fire([Job(calls_of(), NOWHERE)], KeepingSink(engine.folder / "lines"), Live())

    with pytest.raises(EngineError, match="client"):
        engine.run(main())
