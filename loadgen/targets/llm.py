"""What all servers of language models have in common: the probe, and what is left out for a server's sake."""

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from loadgen.engine.contract import Address
from loadgen.errors import RecipeError, TargetError
from loadgen.plan.files import Prompt
from loadgen.plan.model import Operation, Request, Wire, Work
from loadgen.plan.payloads import Draft, build_drafts
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import LlmService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.base import PlainTarget, Readiness, describe_service
from loadgen.targets.encoding import encode_get, encode_post, request_headers
from loadgen.targets.judge import (
    PASSING_FAILURES,
    check_accepted,
    check_content,
    is_one_document,
    listed,
    no_such_model,
    withholding,
)
from loadgen.targets.probe import Answer, ask, check_scheme, reach
from loadgen.targets.url import parse_url

SHORTEST_PATIENCE_S = 60.0
"""The probe waits for at least so long: the server may have to load the model first."""

ASIDE_TIMEOUT_S = 5.0
"""For questions that the run can do without."""

PROBE_PROMPT = "Hello"
PROBE_OUTPUT_TOKENS = 4
N_PROBES = 3
PAUSE_S = 0.2


class LlmTarget(PlainTarget, ABC):
    """A dialect adds paths, bodies, and how its server describes itself. tolerant: probes may fail (a simulator)."""

    wire: Wire
    optional_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, recipe: Recipe, service: LlmService, tolerant: bool = False) -> None:
        assert isinstance(recipe.workload, LlmWorkload)
        self.recipe, self.service, self.workload = recipe, service, recipe.workload
        self.url = parse_url(service.url)
        self.names = tuple(self.workload.weights)
        self.operations = tuple(Operation(name, name != "embeddings") for name in self.names)
        self.left_out: frozenset[str] = frozenset()
        self._tolerant = tolerant
        self._key = service.api_key.get_secret_value() if service.api_key else None
        self._headers = request_headers(self.url, self._key, service.headers)
        if any("{key}" in value for value in service.headers.values()):
            raise RecipeError("service.headers: {key} stands for nothing here; {index} and {uuid} do")
        self._address: Address | None = None

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """The target of a recipe whose service is a server of language models."""
        assert isinstance(recipe.service, LlmService)
        return cls(recipe, recipe.service)

    @abstractmethod
    def path(self, operation: str) -> str:
        """Where an operation's requests go."""

    @abstractmethod
    def body(self, operation: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """A request's JSON, every field in it; the optional ones are taken out afterwards."""

    @abstractmethod
    def model_names(self) -> list[str] | None:
        """The models that the server says it has; None where it does not say."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What the server says of itself: keys of run.json's `service`."""

    def encode(self, draft: Draft) -> Request:
        name = self.names[draft.operation]
        body = self.body(name, draft.prompt, draft.output_tokens)
        kept = {field: value for field, value in body.items() if field not in self.left_out}
        return encode_post(self.path(name), self._headers, kept, draft.operation, draft.has_nonce)

    def work(self, n_requests: int | None) -> Work:
        built = build_drafts(self.workload, self.recipe.seed, n_requests)
        requests = (self.encode(draft) for draft in built.drafts)
        return Work(requests, built.sizes, tuple(self.workload.weights.values()), built.dataset)

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self.recipe.redacted(str(error))) from None

    async def close(self) -> None:
        self._address = None  # nothing was started

    def _prepare(self) -> Readiness:
        self._address = reach(self.url, self.service.tls)
        notes = [note for operation in range(len(self.names)) for note in self.probe(operation)]
        notes += self._unlisted_model()
        known = {"model": self.service.model, **self.describe()}
        described = describe_service(self.url, self.service.kind, self.service.settings, **known)
        return Readiness(self._address, tuple(self.recipe.redacted(note) for note in dict.fromkeys(notes)), described)

    def probe(self, operation: int) -> list[str]:
        """Ask once, as the load will; notes for a person. Raises TargetError."""
        answer = self._ask_patiently(operation)
        if self._tolerant and answer.status in PASSING_FAILURES:
            return [f"the probe was answered with {answer.status}"]
        notes: list[str] = []
        if answer.status in (400, 422):
            answer, notes = self._without_unknown_fields(operation, answer)
        asked = f"{self.url.public}: POST {self.path(self.names[operation])}"
        self._check_model(answer)
        check_accepted(answer, asked, self._key is not None)
        events = check_content(answer, asked)
        return notes + self.oddities(operation, answer, events)

    def oddities(self, operation: int, answer: Answer, events: list[Any]) -> list[str]:
        """What a person should know of a success, a line each."""
        if not self.operations[operation].expects_tokens:
            return []
        notes = []
        if self.workload.stream and is_one_document(answer):
            notes.append("the server does not stream: the answer comes whole, and ttft is the time to all of it")
        if answer.complete and not any(self.has_usage(event) for event in events):
            notes.append("the server gives no usage figures: output tokens are counted by content events")
        return notes

    @abstractmethod
    def has_usage(self, event: Any) -> bool:
        """Whether an event carries the count of tokens."""

    def _ask(self, operation: int) -> Answer:
        request = self.encode(Draft(operation, PROBE_PROMPT, PROBE_OUTPUT_TOKENS))
        return self._send(request, max(self.recipe.load.timeout_s, SHORTEST_PATIENCE_S))

    def _ask_patiently(self, operation: int) -> Answer:
        """Again where the failure may pass."""
        for _ in range(N_PROBES - 1):
            answer = self._ask(operation)
            if answer.status not in PASSING_FAILURES:
                return answer
            time.sleep(PAUSE_S)
        return self._ask(operation)

    def _without_unknown_fields(self, operation: int, refusal: Answer) -> tuple[Answer, list[str]]:
        """The first success without some optional fields, and what to say; else the refusal as it was."""
        body = self.body(self.names[operation], PROBE_PROMPT, PROBE_OUTPUT_TOKENS)
        present = [field for field in self.optional_fields if field in body and field not in self.left_out]
        before = self.left_out
        for attempt in withholding(present, refusal):
            self.left_out = before | attempt
            answer = self._ask(operation)
            if answer.status < 300:
                fields = " and ".join(sorted(attempt))
                return answer, [f"the server refuses {fields}: left out ({refusal.reason})"]
        self.left_out = before
        return refusal, []

    def _check_model(self, answer: Answer) -> None:
        """Raises TargetError where the reason of a refusal is that the server has no such model."""
        if answer.status not in (400, 404, 422):
            return
        names = self.model_names()
        if names is None and answer.status == 404:
            raise TargetError(
                f"{self.url.public}: no {self.service.kind} API here: {self.path(self.names[0])} is answered with 404 "
                f"({answer.reason or 'no reason given'})"
            )
        says_so = "model" in answer.reason.lower()
        if names is not None and (names or says_so) and not any(self.is_same_model(name) for name in names):
            raise no_such_model(self.url.public, self.service.model, names)

    def _unlisted_model(self) -> list[str]:
        """Some servers answer to any name with the model that they have."""
        names = self.model_names()
        if not names or any(self.is_same_model(name) for name in names):
            return []
        return [f"the server answers to {self.service.model}, but does not list it; there are: {listed(names)}"]

    def is_same_model(self, name: str) -> bool:
        """Ollama lists a model that was named without a tag with one."""
        return name in (self.service.model, f"{self.service.model}:latest")

    def get(self, path: str) -> Any:
        """The JSON at a path; None where there is none. For what the run can do without."""
        answer = self.get_answer(path)
        return answer.json if answer is not None and answer.status == 200 else None

    def get_answer(self, path: str) -> Answer | None:
        try:
            return self._send(encode_get(path, self._headers), ASIDE_TIMEOUT_S)
        except TargetError:
            return None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The same for a question with a body."""
        try:
            answer = self._send(encode_post(path, self._headers, body), ASIDE_TIMEOUT_S)
        except TargetError:
            return None
        return answer.json if answer.status == 200 else None

    def _send(self, request: Request, timeout_s: float) -> Answer:
        assert self._address is not None
        answer = ask(self.url, self._address, request.raw, timeout_s)
        check_scheme(self.url, answer)
        return answer


def chat_messages(prompt: Prompt, system: str | None) -> list[dict[str, Any]]:
    """The messages of a chat that is to begin so. The system message comes first, unless the prompt brings its own."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    if system is None or messages[0].get("role") == "system":
        return messages
    return [{"role": "system", "content": system}, *messages]


def plain_text(prompt: Prompt, operation: str) -> str:
    """Raises RecipeError for a list of messages: only a chat takes one."""
    if isinstance(prompt, str):
        return prompt
    raise RecipeError(
        f"workload.prompts: these prompts are lists of messages, which {operation} does not take; use chat"
    )
