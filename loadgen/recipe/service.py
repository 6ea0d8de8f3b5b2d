"""The service under test: who it is, where it listens, and how to be let in."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    SecretStr,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from loadgen.recipe.base import DelayMs, PositiveInt, Section, Text, TokenCount
from loadgen.recipe.secrets import MASK, masked, masked_url

DEFAULT_URLS = {"ollama": "http://127.0.0.1:11434", "vllm": "http://127.0.0.1:8000"}

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")


@dataclass(frozen=True)
class UrlRules:
    """What an address may look like; see url_type."""

    schemes: tuple[str, ...]
    plain: str
    has_query: bool

    def checked(self, url: str) -> str:
        """Raises ValueError. The value itself is left out of the message: it may hold a password."""
        if re.search(r"[\s\x00-\x1f]", url):
            raise ValueError("must be an address without blanks")
        if self.plain and "://" not in url:
            url = f"{self.plain}://{url}"
        parts = urlsplit(url)  # raises ValueError for a broken IPv6 address
        if parts.scheme not in self.schemes or "://" not in url:
            raise ValueError(f"must begin with {_either([f'{scheme}://' for scheme in self.schemes])}")
        if parts.scheme == "unix":
            _check_socket_path(parts.netloc, parts.path)
        elif not parts.hostname:
            raise ValueError(f"must name a host, such as {self.schemes[0]}://127.0.0.1:8000")
        if parts.fragment or (parts.query and not self.has_query):
            raise ValueError("must have no query (?…) and no fragment (#…)")
        _check_port(parts)
        return url

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(masked_url, return_schema=core_schema.str_schema())
        return core_schema.no_info_after_validator_function(self.checked, handler(source), serialization=as_text)


def url_type(*schemes: str, plain: str = "", has_query: bool = False) -> UrlRules:
    """For `Annotated[str, url_type("redis", "rediss", "unix")]`: an address that is checked, and written without its
    password and without query values that are named like secrets.

    unix: unix:///path/of.sock. plain: the scheme of an address without one, host:port. has_query: ?a=b is allowed.
    """
    return UrlRules(schemes, plain, has_query)


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _check_socket_path(host: str, path: str) -> None:
    if host or len(path) < 2:
        raise ValueError("must name a socket by its whole path, such as unix:///run/service.sock")


def _check_port(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("must have a port between 0 and 65535, or none") from None


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header's name")
        if not _PRINTABLE.fullmatch(value):
            raise ValueError(f"the value of {name} must be one line")
    return headers


def _checked_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks, and not empty")
    return key


Url = Annotated[str, url_type("http", "https")]
Headers = Annotated[
    dict[str, str], AfterValidator(_checked_headers), PlainSerializer(masked, return_type=dict[str, str])
]
ApiKey = Annotated[SecretStr, AfterValidator(_checked_key), PlainSerializer(lambda _: MASK, return_type=str)]
Free = Annotated[dict[str, Any], PlainSerializer(masked, return_type=dict[str, Any])]
"""Any fields; what stands under a secret's name is masked wherever they are written."""


class Tls(Section):
    verify: bool = Field(default=True, description="Whether the server's certificate must be valid.")
    ca_file: Text | None = Field(
        default=None, description="A PEM file of the authorities to trust. Default: the system's."
    )


class ServiceSection(Section):
    """What every service has."""

    kind: str = Field(description="Which service this is.")
    settings: Free = Field(
        default_factory=dict, description="How the server was started: recorded and compared, never sent."
    )


class SimulatorService(ServiceSection):
    """The embedded streaming server: starts and stops with the run."""

    kind: Literal["simulator"] = Field(description="Which service this is.")
    model: Text = Field(default="simulator", description="The model's name, as the simulator gives it.")
    dialect: Literal["openai", "ollama"] = Field(
        default="openai", description="Whose API the run speaks to the simulator."
    )
    ttft_ms: DelayMs = Field(
        default=50.0, description="From a request's turn to its first token, in ms: a number or a distribution."
    )
    itl_ms: DelayMs = Field(
        default=10.0, description="Between one token and the next, in ms: a number or a distribution."
    )
    output_tokens: TokenCount | None = Field(
        default=None, description="Length of an answer. Default: as many tokens as the request asks for."
    )
    slots: PositiveInt | None = Field(
        default=None, description="How many requests are served at once; the rest queue. Default: no limit."
    )
    error_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="Share of the requests that are answered with a 500."
    )


class HttpReached(ServiceSection):
    """What every service has that is reached over HTTP."""

    url: Url = Field(description="Where it listens.")
    headers: Headers = Field(default_factory=dict, description="Sent with every request.")
    tls: Tls = Field(default_factory=Tls, description="For an https address.")


def _url_is_optional(schema: dict[str, Any]) -> None:
    """For editors: two of the three kinds have a usual address."""
    schema["required"].remove("url")


class LlmService(HttpReached):
    """A server of language models."""

    model_config = ConfigDict(json_schema_extra=_url_is_optional)
    url: Url = Field(
        description="Where it listens. Default: http://127.0.0.1:11434 (ollama), http://127.0.0.1:8000 (vllm)."
    )

    kind: Literal["ollama", "vllm", "openai"] = Field(description="Which service this is.")
    model: Text = Field(description="The model's name, as the server knows it.")
    api_key: ApiKey | None = Field(
        default=None, description="Sent as `Authorization: Bearer …`; never written anywhere."
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_address(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "url" not in fields and fields.get("kind") in DEFAULT_URLS:
            return {**fields, "url": DEFAULT_URLS[fields["kind"]]}
        return fields
