"""Was the answer right? And whose fault is it where it is none?"""

from loadgen.engine.portable.contents import Content, Ids, Needles, Value
from loadgen.engine.portable.exchange import Exchange, Verdict
from loadgen.engine.portable.facts import Facts
from loadgen.engine.portable.postgresql import PostgresqlReader
from loadgen.engine.portable.resp import RespReader
from loadgen.plan.model import Check, Operation
from loadgen.records import Checked, FinishReason, Outcome

OK = Verdict(Outcome.OK)

REDIS_FAILURES = frozenset(
    (
        *("LOADING", "OOM", "BUSY", "MASTERDOWN", "MISCONF", "CLUSTERDOWN"),
        *("TRYAGAIN", "NOREPLICAS", "READONLY", "MOVED", "ASK", "UNBLOCKED"),
    )
)
"""First words of errors that are the server's fault."""

POSTGRESQL_FAILURES = ("08", "25P03", "40", "53", "55", "57", "58", "XX")
"""Beginnings of SQLSTATEs that are the server's fault. Source: PostgreSQL's documentation, appendix A."""


def judge_content(exchange: Exchange, content: Content | None) -> Verdict:
    """The verdict on a success, as far as what was looked for tells. It also counts."""
    if isinstance(content, Value):
        return _judge_value(exchange, content)
    if isinstance(content, Ids):
        ids = content.ids()
        exchange.n_items = len(ids)
        exchange.n_hits = sum(one in exchange.spec.neighbours for one in ids)
    elif isinstance(content, Needles) and exchange.spec.check is Check.COUNT:
        exchange.n_items = content.n_found
    elif isinstance(content, Needles):
        return _judge_needle(exchange, content)
    return OK


def _judge_needle(exchange: Exchange, content: Needles) -> Verdict:
    exchange.checked = Checked.YES
    needle = exchange.spec.needle.decode(errors="replace")
    return OK if content.n_found else _wrong(f"the body does not contain {needle}")


def _judge_value(exchange: Exchange, value: Value) -> Verdict:
    exchange.checked = Checked.YES
    stamp, floor = value.stamp(), exchange.claim.floor
    if stamp is None:
        return _wrong(f"value is torn: its CRC is not that of its {value.n_bytes} bytes")
    if stamp.key != exchange.key:
        return _wrong(f"value of key {stamp.key}, not of {exchange.key}")
    version = stamp.version if stamp.tag == exchange.setting.plan.value_tag else 0
    return OK if version >= floor else _wrong(f"version {version}, though {floor} was acknowledged before")


def judge_missing(exchange: Exchange) -> Verdict:
    """The server says that there is no value."""
    exchange.checked = Checked.YES
    floor = exchange.claim.floor
    if exchange.setting.keys.may_be_missing(exchange.key, floor):
        return OK
    return _wrong(f"no value, though version {floor} was acknowledged")


def _wrong(error: str) -> Verdict:
    return Verdict(Outcome.WRONG_ANSWER, error)


def is_success(status: int, expect_status: int) -> bool:
    """Whether this is the status that was expected; where none was, whether it is a success."""
    return status == expect_status if expect_status else status < 300


def judge_http(exchange: Exchange, content: Content | None) -> Verdict:
    """The verdict on an answer that came whole; what it said is in the exchange's facts."""
    status, facts = exchange.status, exchange.facts
    if is_success(status, exchange.spec.expect_status):
        if content is not None:
            return judge_content(exchange, content)
        return judge_tokens(facts, exchange.operation, exchange.setting.plan.fail_on_truncated)
    if status < 300:
        exchange.checked = Checked.YES
        return _wrong(f"status {status}, expected {exchange.spec.expect_status}")
    if status == 404 and exchange.spec.check is Check.READ:
        return judge_missing(exchange)
    said = facts.error or ("redirect: not followed" if status < 400 else "")
    return Verdict(_outcome_of_status(status, facts), said, facts.error_code)


def _outcome_of_status(status: int, facts: Facts) -> Outcome:
    if status == 429:
        return Outcome.RATE_LIMITED
    if status >= 500:
        return Outcome.SERVER_ERROR
    return Outcome.CONTEXT_LENGTH_EXCEEDED if facts.is_context_too_long else Outcome.CLIENT_ERROR


def judge_tokens(facts: Facts, operation: Operation, fail_on_truncated: bool) -> Verdict:
    """The verdict on a language model's answer with a status of success."""
    if facts.error is not None:
        outcome = Outcome.CONTEXT_LENGTH_EXCEEDED if facts.is_context_too_long else Outcome.STREAM_ERROR
        return Verdict(outcome, facts.error, facts.error_code)
    if operation.expects_tokens and facts.n_events == 0:
        return Verdict(Outcome.REFUSED if facts.has_refused else Outcome.EMPTY_OUTPUT)
    if fail_on_truncated and facts.finish_reason is FinishReason.LENGTH:
        return Verdict(Outcome.TRUNCATED)
    return OK


def judge_redis(exchange: Exchange, reply: RespReader, content: Content | None) -> Verdict:
    if reply.is_error:
        is_servers = reply.error_code in REDIS_FAILURES
        return Verdict(Outcome.SERVER_ERROR if is_servers else Outcome.CLIENT_ERROR, reply.error, reply.error_code)
    if reply.is_null and exchange.spec.check is Check.READ:
        return judge_missing(exchange)
    exchange.n_items = reply.n_items
    return judge_content(exchange, content)


def judge_postgresql(exchange: Exchange, answer: PostgresqlReader, content: Content | None) -> Verdict:
    if answer.has_error:
        is_servers = answer.error_code.startswith(POSTGRESQL_FAILURES)
        return Verdict(Outcome.SERVER_ERROR if is_servers else Outcome.CLIENT_ERROR, answer.error, answer.error_code)
    exchange.n_items = answer.n_rows or answer.n_affected
    if exchange.spec.check is Check.READ and (answer.n_rows == 0 or answer.has_null):
        return judge_missing(exchange)
    return judge_content(exchange, content)
