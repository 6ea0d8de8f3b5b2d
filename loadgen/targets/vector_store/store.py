"""What is asked of a vector store, whichever it is: a dialect adds paths, bodies, and how its server names things."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.plan.model import Request
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import ApiKey, HttpReached
from loadgen.targets.encoding import encode_http, json_headers, request_headers
from loadgen.targets.judge import check_accepted
from loadgen.targets.probe import Answer, ask, check_scheme, reach
from loadgen.targets.slots import Mark, Part
from loadgen.targets.url import parse_url
from loadgen.targets.vector_store.points import Number, Point
from loadgen.targets.vector_store.recipe import VectorWorkload
from loadgen.targets.vectors import Distance, Floats

PATIENCE_S = 60.0
"""The least patience for a question before or after the load."""

LOOKED_UP_AT_ONCE = 200
MAX_REASON = 300


class Collection(NamedTuple):
    """A collection that is there. dimensions, distance: None: not known, such as before it holds vectors."""

    is_ours: bool
    dimensions: int | None
    distance: Distance | None


class Call(NamedTuple):
    """A request before it is encoded. body: None: none."""

    method: str
    path: str
    body: Sequence[Part] | None = None


class VectorStore(ABC):
    """One collection of one server. It is asked blocking; what the load sends is encoded only."""

    key_header: ClassVar[str]
    first_id: ClassVar[int] = 0
    """What the digits of an id are more than its point's number."""

    def __init__(self, recipe: Recipe, api_key: ApiKey | None) -> None:
        assert isinstance(recipe.service, HttpReached)
        assert isinstance(recipe.workload, VectorWorkload)
        self.service, self.workload = recipe.service, recipe.workload
        self.url = parse_url(self.service.url)
        self._has_key = api_key is not None
        own = {} if api_key is None else {self.key_header: api_key.get_secret_value()}
        self._headers = json_headers(request_headers(self.url, None, own, self.service.headers))
        self._timeout_s = max(recipe.load.timeout_s, PATIENCE_S)
        self._address: Address | None = None

    @abstractmethod
    def identify(self) -> str | None:
        """The server's version. Raises TargetError where it is another server."""

    @abstractmethod
    def find_collection(self) -> Collection | None:
        """The one that the recipe names, where it is there. Raises TargetError."""

    @abstractmethod
    def make_collection(self, dimensions: int) -> None:
        """And mark it as ours. Raises TargetError."""

    @abstractmethod
    def remove_collection(self) -> None:
        """Raises TargetError."""

    @abstractmethod
    def settle(self, progress: Callable[[str, int, int], None]) -> None:
        """Wait until the store has done what it does behind a fill. Raises TargetError."""

    @abstractmethod
    def query(self, vector: bytes) -> Call:
        """For the top_k nearest. vector: JSON."""

    @abstractmethod
    def upsert(self, brought: Sequence[Point]) -> Call:
        """That is answered when the points can be found."""

    @abstractmethod
    def get(self, numbers: Sequence[Number], with_vectors: bool = False) -> Call:
        """For points by their ids."""

    @abstractmethod
    def delete(self, number: Number) -> Call:
        """One point."""

    @abstractmethod
    def ids_in(self, answer: Any) -> list[int]:
        """The numbers of the points that a query's answer names."""

    @abstractmethod
    def vectors_in(self, answer: Any) -> dict[int, list[float]]:
        """The vectors of a get's answer, by their points' numbers."""

    @property
    def bodies(self) -> NDArray[np.uint8] | None:
        """What encoded requests have beside their raw bytes; see Request.body."""
        return None

    def encode(self, call: Call, **known: Any) -> Request:
        """known: fields of Request."""
        return encode_http(call.method, self.url.path + call.path, self._headers, call.body, **known)

    def needle(self, number: int) -> bytes:
        """What an answer that has the point contains."""
        return str(self.first_id + number).rjust(12, "0").encode()

    def reach(self) -> Address:
        """Raises TargetError."""
        self._address = reach(self.url, self.service.tls)
        return self._address

    def answered(self, call: Call) -> Any:
        """The answer's JSON. Raises TargetError where it is no success."""
        answer = self.ask(call)
        self._check_accepted(call, answer)
        return answer.json

    def _check_accepted(self, call: Call, answer: Answer) -> None:
        asked = f"{call.method} {self.shown(call.path)}"
        reason = _reason_of(answer.json)
        if reason and answer.status not in (401, 403):
            raise self.error(f"{asked} is answered with {answer.status}: {reason}")
        check_accepted(answer, f"{self.url.public}: {asked}", self._has_key)

    def shown(self, path: str) -> str:
        """A path as messages give it."""
        return path

    def ask(self, call: Call) -> Answer:
        """Raises TargetError where no answer comes."""
        assert self._address is not None
        return ask(self.url, self._address, self._sent(self.encode(call)), self._timeout_s)

    def first_answer(self, call: Call) -> Answer:
        """The same, of a server that may be anything. Raises TargetError where it wants TLS, or a key."""
        answer = self.ask(call)
        check_scheme(self.url, answer)
        if answer.status in (401, 403):
            self._check_accepted(call, answer)
        return answer

    def _sent(self, request: Request) -> bytes:
        if self.bodies is None or request.body_at < 0:
            return request.raw
        first, n_bytes = request.body
        body = self.bodies[first : first + n_bytes].tobytes()
        return request.raw[: request.body_at] + body + request.raw[request.body_at :]

    def look_up(self, numbers: Sequence[int]) -> dict[int, list[float]]:
        """The vectors of those points that are there. Raises TargetError."""
        found: dict[int, list[float]] = {}
        for first in range(0, len(numbers), LOOKED_UP_AT_ONCE):
            some = numbers[first : first + LOOKED_UP_AT_ONCE]
            found |= self.vectors_in(self.answered(self.get(some, with_vectors=True)))
        return found

    def keeps(self, stored: Sequence[float] | None, vector: Floats) -> bool:
        """Whether what is stored is what was sent: at unit length where only directions count, with fewer digits."""
        if stored is None or len(stored) != len(vector):
            return False
        kept, sent = np.array(stored, np.float64), vector.astype(np.float64)
        if self.workload.distance == "cosine":
            return bool(kept @ sent > 0.999 * np.linalg.norm(kept) * np.linalg.norm(sent))
        return bool(np.linalg.norm(kept - sent) <= 1e-3 * np.linalg.norm(sent))

    def error(self, text: str) -> TargetError:
        return TargetError(f"{self.url.public}: {text}")


def _reason_of(said: Any) -> str:
    """Of a refusal: Chroma's {error: a name, message}, Qdrant's {status: {error}}; "" where it is neither."""
    if not isinstance(said, dict):
        return ""
    status = said.get("status")
    reason = status.get("error") if isinstance(status, dict) else said.get("message") if said.get("error") else None
    return " ".join(str(reason or "").split())[:MAX_REASON]


def digits(number: Number) -> Part:
    """Zero-padded to 12."""
    return number if isinstance(number, Mark) else b"%012d" % number


def listed(items: Sequence[Sequence[Part]]) -> list[Part]:
    """A JSON list."""
    parts: list[Part] = [b"["]
    for i, item in enumerate(items):
        parts += [b",", *item] if i else item
    return [*parts, b"]"]
