"""What is said on each new connection: HELLO or AUTH, then SELECT."""

from dataclasses import dataclass, field

from loadgen.errors import TargetError
from loadgen.targets.redis.model import RedisService
from loadgen.targets.redis.resp import Refusal, Replies, Reply, Talk
from loadgen.targets.url import parse_url

IS_CLUSTER = "this is a cluster node; cluster mode is not supported"

WANTS_PASSWORD = "the server wants a password: service.password (and service.user)"
_NEEDS_NO_PASSWORD = ("no password is set", "without any password configured")


@dataclass(frozen=True)
class Credentials:
    """protocol: "2", "3", or "auto": 3 where the server knows it. hello: what the latest HELLO was answered with."""

    user: str | None = None
    password: str | None = None
    database: int = 0
    protocol: str = "auto"
    hello: dict[Reply, Reply] = field(default_factory=dict, compare=False)

    def login(self) -> Talk[None]:
        """One conversation. Raises TargetError, which never quotes what was sent: old servers quote it in errors."""
        replies = Replies()
        if self.protocol == "2" or not (yield from self._say_hello(replies)):
            yield from self._authenticate(replies)
        if self.database:
            self._accept_database((yield from replies.ask("SELECT", self.database)))

    def _say_hello(self, replies: Replies) -> Talk[bool]:
        """Whether the connection speaks RESP3 now."""
        authentication = ("AUTH", self.user or "default", self.password) if self.password is not None else ()
        reply = yield from replies.ask("HELLO", 3, *authentication)
        if isinstance(reply, Refusal) and self._was_not_understood(reply):
            if self.protocol == "3":
                raise TargetError("the server does not speak RESP3: service.protocol: 2, or leave it out")
            return False
        self._accept_login(reply)
        if isinstance(reply, dict):
            self.hello.update(reply)
        if self.hello.get(b"mode") == b"cluster":
            raise TargetError(IS_CLUSTER)
        return True

    def _was_not_understood(self, refusal: Refusal) -> bool:
        """A server without HELLO may ask for AUTH before it says that it knows no such command."""
        return refusal.code in ("NOPROTO", "ERR") or (refusal.code == "NOAUTH" and self.password is not None)

    def _authenticate(self, replies: Replies) -> Talk[None]:
        if self.password is None:
            return
        user = () if self.user is None else (self.user,)
        reply = yield from replies.ask("AUTH", *user, self.password)
        if not (isinstance(reply, Refusal) and any(text in str(reply) for text in _NEEDS_NO_PASSWORD)):
            self._accept_login(reply)

    def _accept_login(self, reply: Reply) -> None:
        """Raises TargetError."""
        if not isinstance(reply, Refusal):
            return
        if reply.code == "WRONGPASS" or "invalid password" in str(reply):
            user = f" and service.user ({self.user})" if self.user else ""
            raise TargetError(f"the server does not accept service.password{user}: {reply.code}")
        if reply.code == "NOAUTH":
            raise TargetError(WANTS_PASSWORD)
        if reply.code == "ERR":
            raise TargetError("the server refuses AUTH; if it knows no users yet (Redis 5), leave out service.user")
        raise TargetError(f"the server refuses the login: {reply}")

    def _accept_database(self, reply: Reply) -> None:
        """Raises TargetError."""
        if not isinstance(reply, Refusal):
            return
        if reply.code == "NOAUTH":
            self._accept_login(reply)
        if "cluster mode" in str(reply):
            raise TargetError(IS_CLUSTER)
        raise TargetError(f"the server has no database {self.database} for this user: {reply}")


def credentials_of(service: RedisService) -> Credentials:
    """What stands in the address, or in the fields beside it."""
    url = parse_url(service.url)
    own = None if service.password is None else service.password.get_secret_value()
    return Credentials(
        user=url.user or service.user,
        password=own if url.password is None else url.password,
        database=service.database or int(url.database or 0),
        protocol=str(service.protocol),
    )
