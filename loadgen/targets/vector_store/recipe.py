"""What a recipe says of the work of a vector store."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from loadgen.recipe.base import PositiveFloat, PositiveInt, Section, Text, number_or_mapping, problem_at
from loadgen.recipe.service import Free
from loadgen.targets.vectors import DEFAULT_DIMENSIONS, Distance

VectorOperation = Literal["query", "upsert", "get", "delete"]

N_GROUPS = 10
GROUP = "group"
"""The one field of metadata that is written with every vector: its number modulo N_GROUPS."""

MAX_DIMENSIONS = 65536
MAX_BATCH = 1000


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,198}[A-Za-z0-9]", name):
        raise ValueError("must have 3 to 200 letters, digits, ., _ and -, with a letter or a digit at both ends")
    return name


class VectorFiles(Section):
    """Vectors out of a file, and what is known of them."""

    path: Text = Field(description="A .npy file (vectors by components) or .fvecs file.")
    queries: Text | None = Field(
        default=None, description="The same of what is asked. Default: members that are moved a little."
    )
    neighbours: Text | None = Field(
        default=None,
        description="An .ivecs file: the rows of each query's true neighbours, the nearest first. Default: computed.",
    )

    @model_validator(mode="after")
    def _neighbours_of_something(self) -> "VectorFiles":
        if self.neighbours is not None and self.queries is None:
            raise problem_at("neighbours", "are those of queries: name their file too")
        return self


Vectors = Annotated[
    Annotated[PositiveInt, Tag("(number)")] | Annotated[VectorFiles, Tag("(mapping)")],
    Discriminator(number_or_mapping),
]


class VectorWorkload(Section):
    """Requests to a store of vectors."""

    operation: VectorOperation | None = Field(default=None, description="query, upsert, get or delete. Default: query.")
    operations: Annotated[dict[VectorOperation, PositiveFloat], Field(min_length=1)] | None = Field(
        default=None,
        description="Several operations with their weights, in the place of `operation`: {query: 90, upsert: 10}.",
    )
    collection: Annotated[str, AfterValidator(_checked_name)] = Field(
        default="loadgen", description="The collection's name. It is made, filled and removed again by the run."
    )
    vectors: Vectors = Field(
        default=10_000,
        description="How many it is filled with, drawn around centres; or {path, queries, neighbours}: files.",
    )
    dimensions: Annotated[int, Field(ge=1, le=MAX_DIMENSIONS)] | None = Field(
        default=None, description=f"Numbers in a vector. Default: {DEFAULT_DIMENSIONS}, or as many as the file has."
    )
    distance: Distance = Field(
        default="cosine", description="What is near: cosine, l2 (Euclidean), ip or dot (the inner product)."
    )
    top_k: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=10, description="How many neighbours a query asks for."
    )
    filter: Free | None = Field(
        default=None,
        description=f"Which vectors a query may find: {{{GROUP}: 3}} (every vector is in one of the groups 0 to "
        f"{N_GROUPS - 1}), or the store's own filter as it stands.",
    )
    options: Free = Field(default_factory=dict, description="Put into the body of queries as they stand.")
    index: Free = Field(
        default_factory=dict,
        description="How the collection is made. Chroma: its hnsw settings; Qdrant: fields of its own, such as "
        "hnsw_config.",
    )
    batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] = Field(
        default=1, description="How many vectors an upsert brings."
    )
    recall: bool = Field(
        default=True,
        description="Whether the true neighbours are computed beforehand, and what share of them each answer names is "
        "recorded.",
    )
    keep: bool = Field(default=False, description="Whether the collection stays when the run is over.")
    reuse: bool = Field(
        default=False,
        description="Whether a collection that is there already is used. It is filled where the vectors are not in it "
        "yet, and never removed.",
    )
    check: bool = Field(
        default=True, description="Whether what was asked for must come, and what was upserted be there after the run."
    )

    @model_validator(mode="before")
    @classmethod
    def _query_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "operation" not in fields and "operations" not in fields:
            return {**fields, "operation": "query"}
        return fields

    @model_validator(mode="after")
    def _agrees(self) -> "VectorWorkload":
        if self.operation is not None and self.operations is not None:
            raise problem_at("operations", "give either this or operation")
        if isinstance(self.vectors, int) and self.top_k > self.vectors:
            raise problem_at("top_k", f"must be <= vectors ({self.vectors}), got {self.top_k}")
        if self.asks_recall and self.filter and self.group is None:
            raise problem_at(
                "filter", f"with recall it is {{{GROUP}: 0 to {N_GROUPS - 1}}}; for others set recall: false"
            )
        if isinstance(self.vectors, VectorFiles) and self.vectors.neighbours and self.filter and self.asks_recall:
            raise problem_at("filter", "the file's neighbours are those without a filter: leave out neighbours")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight; they need not add up to anything."""
        if self.operations is not None:
            return {str(name): weight for name, weight in self.operations.items()}
        return {self.operation or "query": 1.0}

    @property
    def asks_recall(self) -> bool:
        return self.recall and "query" in self.weights

    @property
    def group(self) -> int | None:
        """The group that the filter is about; None: there is no filter, or one of the store's own."""
        asked = self.filter or {}
        value = asked.get(GROUP)
        if len(asked) > 1 or not isinstance(value, int) or isinstance(value, bool):
            return None
        return value if 0 <= value < N_GROUPS else None
