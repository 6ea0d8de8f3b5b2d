"""What each request asks for."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from loadgen.recipe.base import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Section,
    Text,
    TokenCount,
    problem_at,
)
from loadgen.recipe.service import Free

LlmOperation = Literal["chat", "completion", "generate", "embeddings"]


class SyntheticPrompts(Section):
    """Prompts of words drawn from the seed, each of a given length."""

    kind: Literal["synthetic"] = Field(
        default="synthetic", description="Where the prompts come from: synthetic, file or inline."
    )
    input_tokens: PositiveInt = Field(default=128, description="Mean length of a prompt in tokens.")
    input_tokens_std: NonNegativeFloat = Field(default=0.0, description="Standard deviation of that length.")
    prefix_tokens: NonNegativeInt = Field(
        default=0, description="So many of them, at the start, are the same in every prompt."
    )
    tokenizer: Text | None = Field(
        default=None,
        description="A tokenizer.json, or a folder that holds one, to count with. Default: words are counted.",
    )
    unique: bool = Field(
        default=True,
        description="Whether each request begins with words of its own, so that no prefix cache has met its prompt.",
    )

    @model_validator(mode="after")
    def _prefix_fits(self) -> "SyntheticPrompts":
        if self.prefix_tokens > self.input_tokens:
            raise problem_at(
                "prefix_tokens", f"must be <= input_tokens ({self.input_tokens}), got {self.prefix_tokens}"
            )
        return self


class FilePrompts(Section):
    """Prompts out of a file, in an order drawn from the seed."""

    kind: Literal["file"] = Field(description="Where the prompts come from: synthetic, file or inline.")
    path: Text = Field(description="A .txt (one a line), .jsonl (`prompt` or `messages`), ShareGPT .json or .csv file.")
    field: Text | None = Field(
        default=None, description="The field or column that holds the prompt. Default: the usual one of the format."
    )


class InlinePrompts(Section):
    """Prompts written in the recipe itself."""

    kind: Literal["inline"] = Field(description="Where the prompts come from: synthetic, file or inline.")
    list: Annotated[tuple[Text, ...], Field(min_length=1, strict=False)] = Field(description="The prompts.")


def _prompt_kind(value: Any) -> str:
    kind = value.get("kind", "synthetic") if isinstance(value, dict) else getattr(value, "kind", "synthetic")
    return f"({kind})"


Prompts = Annotated[
    Annotated[SyntheticPrompts, Tag("(synthetic)")]
    | Annotated[FilePrompts, Tag("(file)")]
    | Annotated[InlinePrompts, Tag("(inline)")],
    Discriminator(_prompt_kind),
]


class LlmWorkload(Section):
    """Requests to a language model."""

    operation: LlmOperation | None = Field(
        default=None, description="chat, completion (Ollama: generate) or embeddings. Default: chat."
    )
    operations: Annotated[dict[LlmOperation, PositiveFloat], Field(min_length=1)] | None = Field(
        default=None,
        description="Several operations with their weights, in the place of `operation`: {chat: 80, completion: 20}.",
    )
    prompts: Prompts = Field(default_factory=SyntheticPrompts, description="What is asked.")
    system: Text | None = Field(default=None, description="A system message before every prompt.")
    output_tokens: TokenCount = Field(
        default=64, description="The most tokens an answer may have: a number or a distribution."
    )
    ignore_eos: bool = Field(
        default=False, description="Asks for answers of exactly that length, where the server knows how."
    )
    fail_on_truncated: bool = Field(
        default=False, description="Whether an answer that was cut at its length counts as a failure."
    )
    stream: bool = Field(default=True, description="Whether answers are to come token by token.")
    options: Free = Field(default_factory=dict, description="Put into the request body as they stand.")
    check: bool = Field(default=True, description="Answers are checked where it costs the loop nothing.")

    @model_validator(mode="before")
    @classmethod
    def _chat_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "operation" not in fields and "operations" not in fields:
            return {**fields, "operation": "chat"}
        return fields

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight; they need not add up to anything."""
        if self.operations is not None:
            return {str(name): weight for name, weight in self.operations.items()}
        return {self.operation or "chat": 1.0}
