"""A recipe's `service` and `workload` of kind s3."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from loadgen.plan.keys import MAX_KEYS
from loadgen.recipe.base import NonNegativeFloat, PositiveFloat, PositiveInt, Section, number_or_mapping, problem_at
from loadgen.recipe.service import ApiKey, ServiceSection, Tls, Url

MAX_OBJECT_BYTES = 100 << 30
MAX_LISTED = 1000
"""What a server lists at once, whatever it is asked for."""

S3Operation = Literal["put", "get", "head", "list", "delete"]
Addressing = Literal["auto", "path", "virtual"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_REGION = re.compile(r"[A-Za-z0-9-]+")


def _checked_bucket(name: str) -> str:
    """Source: AWS, "General purpose bucket naming rules"."""
    if not _BUCKET.fullmatch(name) or ".." in name or _IP_ADDRESS.fullmatch(name):
        raise ValueError("must be 3 to 63 small letters, digits, - or ., and begin and end with a letter or a digit")
    return name


def _checked_region(name: str) -> str:
    if not _REGION.fullmatch(name):
        raise ValueError("must be a region's name, such as eu-central-1")
    return name


class S3Service(ServiceSection):
    """A store that speaks S3."""

    kind: Literal["s3"] = Field(description="Which service this is.")
    url: Url = Field(description="Where it listens, without the bucket.")
    access_key: ApiKey | None = Field(
        default=None, description="The access key's id. Default: nobody logs in, and nothing is signed."
    )
    secret_key: ApiKey | None = Field(default=None, description="What requests are signed with; never sent or written.")
    session_token: ApiKey | None = Field(default=None, description="Of temporary credentials.")
    region: Annotated[str, AfterValidator(_checked_region)] = Field(
        default="us-east-1", description="The region that is signed for."
    )
    addressing: Addressing = Field(
        default="auto",
        description="Where the bucket's name goes: path (/bucket/key), virtual (bucket.host), or auto: virtual at "
        "amazonaws.com, path elsewhere.",
    )
    tls: Tls = Field(default_factory=Tls, description="For an https address.")

    @model_validator(mode="after")
    def _has_both_keys_or_none(self) -> "S3Service":
        if (self.access_key is None) != (self.secret_key is None):
            missing = "access_key" if self.access_key is None else "secret_key"
            raise problem_at(missing, "is missing: access_key and secret_key belong together")
        if self.session_token is not None and self.access_key is None:
            raise problem_at("session_token", "needs access_key and secret_key")
        return self


class ObjectSizes(Section):
    """Sizes drawn for each object: normal, rounded, and held within min and max."""

    mean: PositiveFloat = Field(description="Mean size in bytes.")
    std: NonNegativeFloat = Field(default=0.0, description="Standard deviation.")
    min: PositiveInt = Field(default=1, description="No smaller than this.")
    max: Annotated[PositiveInt, Field(le=MAX_OBJECT_BYTES)] | None = Field(
        default=None, description="No larger than this. Default: four standard deviations above the mean."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "ObjectSizes":
        if self.largest < self.min:
            raise problem_at("max", f"must be >= min ({self.min}), got {self.largest}")
        if self.largest > MAX_OBJECT_BYTES:
            raise problem_at("mean", f"objects may have at most {MAX_OBJECT_BYTES} bytes")
        return self

    @property
    def largest(self) -> int:
        return round(self.mean + 4 * self.std) if self.max is None else self.max


ObjectBytes = Annotated[
    Annotated[PositiveInt, Field(le=MAX_OBJECT_BYTES), Tag("(number)")] | Annotated[ObjectSizes, Tag("(mapping)")],
    Discriminator(number_or_mapping),
]


class S3Workload(Section):
    """Requests about objects in a bucket."""

    operation: S3Operation | None = Field(
        default=None, description="put, get, head, list or delete; or several, in `operations`."
    )
    operations: Annotated[dict[S3Operation, PositiveFloat], Field(min_length=1)] | None = Field(
        default=None, description="Several operations with their weights. Default: {get: 80, put: 20}."
    )
    bucket: Annotated[str, AfterValidator(_checked_bucket)] | None = Field(
        default=None,
        description="The bucket. It is made where there is none. Default: loadgen- and eight digits that differ from "
        "workload to workload.",
    )
    objects: Annotated[PositiveInt, Field(le=MAX_KEYS)] = Field(
        default=100, description="How many objects there are: object-000000000000 and so on."
    )
    object_bytes: ObjectBytes = Field(
        default=1 << 20,
        description="Size of an object: a number or a distribution. From 38 bytes on objects are stamped and can be "
        "checked.",
    )
    list_keys: Annotated[PositiveInt, Field(le=MAX_LISTED)] = Field(
        default=MAX_LISTED, description="How many keys a list asks for; the next one goes on behind the last of them."
    )
    keep: bool = Field(default=False, description="Whether bucket and objects stay after the run.")
    reuse: bool = Field(
        default=False,
        description="Whether a bucket may be used that was there before and is not loadgen's. It is never removed, "
        "and of its objects only those that the run adds.",
    )
    check: bool = Field(
        default=True,
        description="Whether each get must return what was put there, whole and no older than acknowledged.",
    )

    @model_validator(mode="before")
    @classmethod
    def _get_and_put_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and not {"operation", "operations"} & fields.keys():
            return {**fields, "operations": {"get": 80.0, "put": 20.0}}
        return fields

    @model_validator(mode="after")
    def _says_the_operation_once(self) -> "S3Workload":
        if self.operation is not None and self.operations is not None:
            raise problem_at("operations", "give either this or operation")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight; they need not add up to anything."""
        if self.operations is not None:
            return {str(name): weight for name, weight in self.operations.items()}
        return {self.operation or "get": 1.0}
