"""One request of the portable engine, from its planned instant to its record: what all wires have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from loadgen.engine.contract import Live
from loadgen.engine.portable.course import Due
from loadgen.engine.portable.facts import Facts, clip_code, clip_error
from loadgen.engine.portable.keys import Claim, Fate, Keys
from loadgen.engine.portable.line_writer import Row
from loadgen.engine.portable.requests import Requests
from loadgen.plan.model import NO_KEY, Plan, Wire
from loadgen.records import NEVER, Checked, Outcome, Stamp, TokenSource

MAX_COUNT = 2**31 - 1


class Place(NamedTuple):
    """Where a job stands among those of the run."""

    number: int = 0
    n_jobs: int = 1
    first_operation: int = 0


@dataclass(frozen=True)
class Setting:
    """What all exchanges of a job share. on_end: gets each exchange when its record is complete."""

    plan: Plan
    place: Place
    requests: Requests
    keys: Keys
    live: Live
    now_ns: Callable[[], int]
    on_end: Callable[["Exchange"], None]


@dataclass(slots=True, eq=False, kw_only=True)
class Passage:
    """What a request saw of the connection that carried it. connection: its number, NEVER as long as there is none."""

    connection: int = NEVER
    n_read: int = 0
    sent_at_ns: int = NEVER
    first_byte_at_ns: int = NEVER
    last_read_at_ns: int = NEVER

    def came(self, n_bytes: int, at_ns: int) -> None:
        """So much of the answer came."""
        self.last_read_at_ns = at_ns
        if self.first_byte_at_ns == NEVER:
            self.first_byte_at_ns = at_ns
        self.n_read += n_bytes


class Verdict(NamedTuple):
    """How a request ended, and why."""

    outcome: Outcome
    error: str = ""
    error_code: str = ""


class Exchange:
    """A request's record while it is made. A carrier sends it, tells what comes back, and ends it."""

    def __init__(self, setting: Setting, due: Due) -> None:
        self.setting, self.due = setting, due
        self.spec = setting.requests.spec(due.payload)
        self.operation = setting.plan.operations[self.spec.operation]
        self.index = due.index * setting.place.n_jobs + setting.place.number
        self.key = due.values[0] if self.spec.key == NO_KEY and due.values else self.spec.key
        self.claim = Claim()
        self.passage = Passage()
        self.facts = Facts()
        self.verdict = Verdict(Outcome.CANCELLED)
        self.status = 0
        self.checked = Checked.NO
        self.n_items = self.n_hits = NEVER
        self.n_sent_bytes = self.spec.n_bytes
        self.first_token_at_ns = self.last_token_at_ns = self.done_at_ns = NEVER
        self.gaps_ns: list[int] = []
        self.n_shared_stamps = 0
        self.is_over = False
        self._is_under_way = False

    def begin(self) -> None:
        """It takes a connection."""
        self._is_under_way = True
        self.setting.live.n_in_flight += 1
        self.claim = self.setting.keys.send(self.spec.check, self.key)

    def sent(self, at_ns: int) -> None:
        """The kernel has taken the last byte. What is said of it later changes nothing."""
        if self.passage.sent_at_ns == NEVER:
            self.passage.sent_at_ns = at_ns
            self.setting.live.n_sent += 1

    def unsent(self) -> None:
        """It is about to be sent again, over another connection."""
        self.setting.live.n_sent -= self.passage.sent_at_ns != NEVER
        self.passage = Passage()

    def date_events(self, n_new: int, at_ns: int) -> None:
        """So many content events came in one read, and share its instant."""
        if n_new == 0:
            return
        self.setting.live.n_tokens += n_new
        if self.first_token_at_ns == NEVER:
            self.first_token_at_ns = at_ns
        else:
            self.gaps_ns.append(at_ns - self.last_token_at_ns)
        self.gaps_ns.extend([0] * (n_new - 1))
        self.last_token_at_ns = at_ns
        self.n_shared_stamps += n_new - 1

    def end(self, verdict: Verdict | None = None) -> None:
        """The record is complete. Without a verdict it was cancelled. Later ones change nothing."""
        if self.is_over:
            return
        self.is_over = True
        self.verdict = verdict or self.verdict
        if self._is_under_way:
            self.setting.live.n_in_flight -= 1
            self.setting.keys.settle(self.spec.check, self.key, self.claim, self._fate())
        self.setting.on_end(self)

    def _fate(self) -> Fate:
        """What has become of a write, as far as its answer tells."""
        if self.verdict.outcome is Outcome.OK:
            return Fate.APPLIED
        is_refused = 400 <= self.status < 500 or (
            self.setting.plan.wire in (Wire.REDIS, Wire.POSTGRESQL) and self.verdict.error_code != ""
        )
        return Fate.REFUSED if is_refused or self.passage.connection == NEVER else Fate.UNKNOWN

    @property
    def freed_at_ns(self) -> int:
        """The instant at which the slot became free: the arrival of the last byte, or now."""
        return self.setting.now_ns() if self.done_at_ns == NEVER else self.done_at_ns

    def _tokens(self) -> tuple[int, TokenSource]:
        if not self.operation.expects_tokens or self.passage.connection == NEVER:
            return NEVER, TokenSource.NONE
        if self.facts.output_tokens != NEVER:
            return self.facts.output_tokens, TokenSource.USAGE
        return self.facts.n_events, TokenSource.EVENTS

    def row(self) -> Row:
        """The record, field by field as in RECORD_DTYPE, and the gaps."""
        due, passage, facts = self.due, self.passage, self.facts
        output_tokens, token_source = self._tokens()
        instants = (
            *(due.planned_at_ns, passage.sent_at_ns, passage.first_byte_at_ns),
            *(self.first_token_at_ns, self.last_token_at_ns, self.done_at_ns),
        )
        volumes = (0, self.n_sent_bytes, passage.n_read)  # read_lag_ns first: a read stamp has none
        server = (facts.total_ns, facts.load_ns, facts.prompt_eval_ns, facts.eval_ns)
        counts = (facts.n_events, len(self.gaps_ns), self.n_shared_stamps)
        tokens = (min(facts.prompt_tokens, MAX_COUNT), min(output_tokens, MAX_COUNT))
        places = (passage.connection, due.payload, min(self.n_items, MAX_COUNT), self.n_hits, self.status)
        codes = (
            *(self.verdict.outcome, due.phase, self.setting.place.first_operation + self.spec.operation),
            *(Stamp.READ, facts.finish_reason, token_source, self.checked),
        )
        said = (clip_code(self.verdict.error_code), clip_error(self.verdict.error))
        values = (self.index, *instants, *volumes, *server, *counts, *tokens, *places, *codes, *said)
        return Row(values, self.gaps_ns)
