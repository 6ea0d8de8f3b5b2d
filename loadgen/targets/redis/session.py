"""A connection of loadgen's own, beside the load: blocking, for a thread of its own."""

from collections.abc import Sequence
from types import TracebackType

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.targets.conversation import TIMEOUT_S, converse, name_of, talk
from loadgen.targets.redis.resp import Refusal, Replies, Reply, Words


class Session:
    """Logged in. Raises TargetError with one line where the server cannot be reached or talked to."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self._name, self._timeout_s = name_of(address), timeout_s
        self._connection = converse(address, timeout_s=timeout_s)
        self._replies = Replies()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def ask(self, *words: str | bytes | int) -> Reply:
        """The reply to one command; a Refusal is a value."""
        (reply,) = self.ask_all([words])
        return reply

    def ask_all(self, commands: Sequence[Words]) -> list[Reply]:
        """The replies to some commands, sent together."""
        return talk(self._connection, self._replies.ask_all(commands), self._name, self._timeout_s)

    def demand(self, *words: str | bytes | int) -> Reply:
        """The same, where a refusal is the end. Raises TargetError."""
        reply = self.ask(*words)
        if isinstance(reply, Refusal):
            raise TargetError(f"{words[0]!s} is refused: {reply}")
        return reply


def as_dict(reply: Reply) -> dict[Reply, Reply]:
    """A map, which RESP2 gives as a flat list; {} for anything else."""
    if isinstance(reply, list):
        return dict(zip(reply[::2], reply[1::2], strict=False))
    return reply if isinstance(reply, dict) else {}
