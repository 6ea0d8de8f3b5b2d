"""What is said on each new connection: who we are, the password's proof, and the statements that the load needs."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loadgen.errors import TargetError
from loadgen.targets.postgresql.messages import (
    MAX_LOGIN_MESSAGE_BYTES,
    SYNC,
    Inbox,
    Message,
    ServerError,
    Talk,
    error_of,
    message,
    no_postgresql,
    parse,
    receive,
    startup,
)
from loadgen.targets.postgresql.scram import MECHANISM, Salter, Scram, md5_answer

OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12

_METHODS = {2: "Kerberos", 6: "SCM credentials", 7: "GSSAPI", 8: "GSSAPI", 9: "SSPI"}


class BackendKey(NamedTuple):
    """What a CancelRequest must name."""

    process: int
    secret: int


@dataclass(frozen=True)
class Credentials:
    """Who logs in, and how sessions are to be. parameters: run-time parameters. statements: prepared as s0, s1, …"""

    user: str
    database: str
    password: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    statements: Sequence[str] = ()
    salter: Salter | None = field(default=None, compare=False)

    def login(self) -> Talk[None]:
        """One conversation. Raises TargetError, which never quotes what was sent."""
        yield from self.logged_in()

    def logged_in(self) -> Talk[BackendKey]:
        """The same, for those who want to know the connection's key."""
        inbox = Inbox(MAX_LOGIN_MESSAGE_BYTES)
        asked = startup({"user": self.user, "database": self.database, **self.parameters})
        said = yield from receive(inbox, asked)
        if said.kind not in (b"R", b"E", b"v"):
            raise no_postgresql(message(*said))
        while said.kind == b"R" and _method(said) != OK:
            said = yield from self._authenticate(inbox, said)
        key = yield from self._ready(inbox, said)
        yield from self._prepare(inbox)
        return key

    def _authenticate(self, inbox: Inbox, asked: Message) -> Talk[Message]:
        """What the server says to our proof."""
        method = _method(asked)
        if method not in (CLEARTEXT, MD5, SASL):
            raise TargetError(f"the server wants to be logged in to with {_METHODS.get(method, method)}: not supported")
        if self.password is None:
            raise TargetError(f"the server wants a password for {self.user}: service.password")
        if method == SASL:
            return (yield from self._scram(inbox, asked))
        proof = self.password.encode()
        if method == MD5:
            proof = md5_answer(self.user, self.password, asked.content[4:8])
        return (yield from receive(inbox, message(b"p", proof + b"\0")))

    def _scram(self, inbox: Inbox, asked: Message) -> Talk[Message]:
        if MECHANISM.encode() not in asked.content[4:].split(b"\0"):
            raise TargetError(f"the server does not take {MECHANISM}")
        scram = Scram(self.salter or Salter(self.password or ""), secrets.token_urlsafe(18))
        first = scram.first()
        named = MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first
        said = yield from receive(inbox, message(b"p", named))
        if said.kind != b"R" or _method(said) != SASL_CONTINUE:
            return said
        said = yield from receive(inbox, message(b"p", scram.final(said.content[4:])))
        if said.kind != b"R" or _method(said) != SASL_FINAL:
            return said if said.kind != b"R" else _unproved()
        scram.accept(said.content[4:])
        return (yield from receive(inbox))

    def _ready(self, inbox: Inbox, said: Message) -> Talk[BackendKey]:
        """On to ReadyForQuery. Raises TargetError."""
        key = BackendKey(0, 0)
        while said.kind != b"Z":
            if said.kind == b"E":
                raise TargetError(why_refused(error_of(said.content), self))
            if said.kind == b"K":
                key = BackendKey(*(int.from_bytes(said.content[at : at + 4], "big") for at in (0, 4)))
            said = yield from receive(inbox)
        return key

    def _prepare(self, inbox: Inbox) -> Talk[None]:
        """Every statement. Raises TargetError for one that the server does not take."""
        if not self.statements:
            return
        parsed = b"".join(parse(f"s{number}", sql) for number, sql in enumerate(self.statements))
        said, n_done = (yield from receive(inbox, parsed + SYNC)), 0
        while said.kind != b"Z":
            if said.kind == b"E":
                sql = " ".join(self.statements[min(n_done, len(self.statements) - 1)].split())
                raise TargetError(f"the server does not prepare {sql[:100]}: {error_of(said.content)}")
            n_done += said.kind == b"1"
            said = yield from receive(inbox)


def _method(said: Message) -> int:
    return int.from_bytes(said.content[:4], "big")


def _unproved() -> Message:
    raise TargetError("the server lets us in without proving that it knows the password: is it the right server?")


def why_refused(error: ServerError, who: Credentials) -> str:
    """With what a person can do about it."""
    hints = {
        "28P01": f"service.password and service.user ({who.user}) are not accepted",
        "28000": f"service.user ({who.user}) is not let in",
        "3D000": f"service.database: there is no {who.database}",
        "53300": "all its connections are taken: fewer clients, or a higher max_connections",
        "42704": "service.parameters",
        "22023": "service.parameters",
    }
    hint = hints.get(error.code)
    return f"{hint}: {error}" if hint else f"refuses the connection: {error}"
