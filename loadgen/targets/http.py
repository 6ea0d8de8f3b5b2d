"""Any web server: requests by weight, with any method and body. Of answers status and a text in them are checked."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from loadgen.engine.contract import Address
from loadgen.errors import RecipeError, TargetError
from loadgen.plan.keys import KeyDistribution, key_values
from loadgen.plan.model import MAX_SLOTS, Check, Operation, Request, SlotKind, Wire, Work
from loadgen.recipe.base import PositiveFloat, Section, Text, problem_at
from loadgen.recipe.kinds import Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.secrets import masked, masked_url
from loadgen.recipe.service import Headers, HttpReached
from loadgen.targets.base import PlainTarget, Readiness, describe_service
from loadgen.targets.encoding import encode_http, json_headers, request_headers
from loadgen.targets.probe import Answer, ask, check_scheme, reach
from loadgen.targets.slots import Part, parts_of
from loadgen.targets.url import parse_url

HARMLESS_METHODS = ("GET", "HEAD", "OPTIONS")
"""They change nothing, so that they can be tried before the load."""

MAX_NEEDLE_BYTES = 255
_SLOT_NAMES = ("index", "key", "uuid")
_TEXT_TYPE = "text/plain; charset=utf-8"


class HttpService(HttpReached):
    """Any web server."""

    kind: Literal["http"] = Field(description="Which service this is.")


def _checked_method(method: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z-]*", method):
        raise ValueError("must be a method in capital letters, such as POST")
    if method == "CONNECT":
        raise ValueError("CONNECT makes a tunnel, which is no request that can be measured")
    return method


def _checked_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must begin with /")
    if not re.fullmatch(r"[\x21-\x7e]+", path) or "#" in path:
        raise ValueError("must be ASCII without blanks and without #; write others as %XX")
    for name in re.findall(r"\{(.*?)\}", path):
        if name not in _SLOT_NAMES:
            raise ValueError(f"{{{name}}} stands for nothing: {{index}}, {{key}} and {{uuid}} do; a brace is %7B")
    return path


def _checked_body(body: Any) -> Any:
    if not isinstance(body, (str, dict, list)):
        raise ValueError("must be text, or a mapping or a list, which is sent as JSON")
    return body


def _checked_needle(text: str) -> str:
    if len(text.encode()) > MAX_NEEDLE_BYTES:
        raise ValueError(f"must be at most {MAX_NEEDLE_BYTES} bytes long")
    return text


Path = Annotated[str, AfterValidator(_checked_path), PlainSerializer(masked_url, return_type=str)]
Body = Annotated[
    Any,
    AfterValidator(_checked_body),
    PlainSerializer(masked),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}]}),
]


class Expectation(Section):
    """What makes an answer right."""

    status: Annotated[int, Field(ge=100, le=599)] | None = Field(
        default=None, description="Its status. Default: any from 200 to 299."
    )
    contains: Annotated[Text, AfterValidator(_checked_needle)] | None = Field(
        default=None, description="A text that its body must contain."
    )


class HttpRequest(Section):
    """One kind of request to a web server."""

    name: Text = Field(default="", description="What reports call it. Default: its method.", validate_default=False)
    method: Annotated[str, AfterValidator(_checked_method)] = Field(default="GET", description="The HTTP method.")
    path: Path = Field(default="/", description="Path and query.")
    headers: Headers = Field(default_factory=dict, description="Sent with this request, beside those of the service.")
    body: Body | None = Field(default=None, description="What is sent: text as it stands, all else as JSON.")
    expect: Expectation = Field(default_factory=Expectation, description="Which answer is right: {status, contains}.")
    weight: PositiveFloat = Field(default=1.0, description="How often, against the others.")

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_method(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "name" not in fields:
            return {**fields, "name": str(fields.get("method", "GET")).lower() or "get"}
        return fields

    @model_validator(mode="after")
    def _has_a_body_to_look_at(self) -> "HttpRequest":
        if self.method == "HEAD" and self.expect.contains is not None:
            raise problem_at("expect", "the answer to a HEAD has no body that could contain a text")
        return self


class HttpWorkload(Section):
    """Requests to a web server."""

    requests: Annotated[tuple[HttpRequest, ...], Field(min_length=1, strict=False)] = Field(
        default_factory=lambda: (HttpRequest(),), description="The requests to send, one of them drawn each time."
    )
    keys: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        default=1000, description="How many different values {key} has, from 0 on."
    )
    key_distribution: KeyDistribution = Field(
        default="uniform", description="How often each comes: uniform, zipfian (few come often) or sequential."
    )
    check: bool = Field(default=True, description="Whether bodies are searched for what they must contain.")

    @model_validator(mode="after")
    def _names_differ(self) -> "HttpWorkload":
        names = [request.name for request in self.requests]
        if len(set(names)) < len(names):
            raise problem_at("requests", "each needs a name of its own")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Each request's weight by its name; they need not add up to anything."""
        return {request.name: request.weight for request in self.requests}


class HttpTarget(PlainTarget):
    """One operation a request of the workload."""

    wire: Wire = Wire.HTTP

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, HttpService)
        assert isinstance(recipe.workload, HttpWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._url = parse_url(recipe.service.url)
        self.operations = tuple(Operation(request.name) for request in recipe.workload.requests)
        self._requests = [self._encode(operation) for operation in range(len(self.operations))]

    def work(self, n_requests: int | None) -> Work:
        slots = [slot for request in self._requests for slot in request.slots]
        has_key = any(slot.kind is SlotKind.VALUE for slot in slots)
        drawn = key_values(self._recipe.seed, self._workload.keys, self._workload.key_distribution)
        sizes = (1,) * len(self.operations)
        weights = tuple(self._workload.weights.values())
        return Work(self._requests, sizes, weights, values=drawn if has_key else None)

    def _encode(self, operation: int) -> Request:
        asked = self._workload.requests[operation]
        headers = request_headers(self._url, None, self._service.headers, asked.headers)
        needle = (asked.expect.contains or "").encode() if self._workload.check else b""
        request = encode_http(
            asked.method,
            self._url.path + asked.path,
            with_content_type(headers, asked.body),
            content_of(asked.body),
            operation=operation,
            check=Check.CONTAINS if needle else Check.NONE,
            expect_status=asked.expect.status or 0,
            needle=needle,
        )
        if len(request.slots) > MAX_SLOTS:
            raise RecipeError(
                f"workload.requests[{operation}]: has {len(request.slots)} places that differ from send to send (the"
                f" X-Request-Id is one), and {MAX_SLOTS} are the most"
            )
        return request

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    def _prepare(self) -> Readiness:
        address = reach(self._url, self._service.tls)
        notes: list[str] = []
        version = None
        for operation, asked in enumerate(self._workload.requests):
            if asked.method in HARMLESS_METHODS:
                answer = self._probe(address, operation)
                version = version or answer.server
                notes += complaints(asked, self._url.path, answer)
        notes += self._not_probed()
        service = describe_service(self._url, self._service.kind, self._service.settings, version=version)
        return Readiness(address, tuple(self._recipe.redacted(note) for note in notes), service)

    def _probe(self, address: Address, operation: int) -> Answer:
        answer = ask(self._url, address, self._requests[operation].raw, self._recipe.load.timeout_s)
        check_scheme(self._url, answer)
        return answer

    def _not_probed(self) -> Iterator[str]:
        names = [f"{one.name} ({one.method})" for one in self._workload.requests if one.method not in HARMLESS_METHODS]
        if names:
            yield f"not tried before the load, since it may change something: {', '.join(names)}"


def content_of(body: Any) -> list[Part] | None:
    """A body with its slots; None: there is none."""
    if body is None:
        return None
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return list(parts_of(text))


def with_content_type(headers: dict[str, str], body: Any) -> dict[str, str]:
    """The usual one of a body, unless the recipe gives another."""
    if body is None:
        return headers
    if not isinstance(body, str):
        return json_headers(headers)
    has_type = any(name.lower() == "content-type" for name in headers)
    return headers if has_type else {**headers, "Content-Type": _TEXT_TYPE}


def complaints(asked: HttpRequest, base: str, answer: Answer) -> Iterator[str]:
    """What a person should know of a probe's answer: the load will count such answers as failures."""
    what = f"{asked.method} {base}{asked.path}"
    expected, needle = asked.expect.status, asked.expect.contains
    if answer.status != expected and (expected is not None or answer.status >= 300):
        but = f", not with {expected}" if expected is not None else ""
        yield f"{what} is answered with {answer.status}{but}"
    elif needle is not None and answer.complete and needle.encode() not in answer.body:
        yield f"{what} is answered without {needle!r}"


KIND = Kind(HttpService, HttpWorkload, HttpTarget, about="any web server")
