"""What is watched beside the load, and what the machine under test costs."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from loadgen.recipe.base import PositiveFloat, Section, Text
from loadgen.recipe.secrets import MASK, secrets_of_url
from loadgen.recipe.service import url_type
from loadgen.recipe.source import Problem, at

MetricsUrl = Annotated[str, url_type("http", "https", has_query=True)]


def _flag_or_url(value: Any) -> str:
    return "(true or false)" if isinstance(value, bool) else "(url)"


class Monitor(Section):
    """All is watched that there is, unless it is put off."""

    host: bool = Field(default=True, description="CPU, memory, network and disk of the host that loadgen runs on.")
    gpu: bool = Field(default=True, description="The NVIDIA cards of this host.")
    server: Annotated[
        Annotated[bool, Tag("(true or false)")] | Annotated[MetricsUrl, Tag("(url)")], Discriminator(_flag_or_url)
    ] = Field(
        default=True,
        description="What the service says of itself. The address of a page in Prometheus's text format: that page in "
        "its place.",
    )
    client: bool = Field(default=True, description="The load generator itself.")
    every_s: Annotated[float, Field(ge=0.1)] = Field(
        default=1.0, description="Seconds between two looks; longer where looking takes more than 1 % of a core."
    )

    def secrets(self) -> Iterator[str]:
        """A password in the page's address."""
        if isinstance(self.server, str):
            yield from secrets_of_url(self.server)


NOTHING = Monitor(host=False, gpu=False, server=False, client=False)


def _auto_or_off(value: Any) -> Any:
    """True and false are other words for them."""
    return {True: "auto", False: "off"}[value] if isinstance(value, bool) else value


def _word_or_mapping(value: Any) -> str:
    return "(mapping)" if isinstance(value, (dict, Section)) else "(word)"


Watched = Annotated[
    Annotated[Literal["auto", "off"], Tag("(word)")] | Annotated[Monitor, Tag("(mapping)")],
    Discriminator(_word_or_mapping),
    BeforeValidator(_auto_or_off),
]


class Cost(Section):
    """What running the service costs."""

    per_hour: PositiveFloat = Field(description="Of all that serves: the machines, or the rent of the cards.")
    currency: Annotated[Text, Field(max_length=16)] = Field(default="USD", description="What that is counted in.")


def masked_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """A password that a bundle's recipe no longer holds."""
    place = ("monitor", "server")
    address = at(tree, place)
    if isinstance(address, str) and MASK in address:
        yield Problem(place, "was a secret and is not kept in bundles: give it again with --set monitor.server=…")
