"""What is sent: prompts, and how long each answer may be."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadgen.plan.files import Prompt, load_prompts
from loadgen.plan.streams import Purpose
from loadgen.plan.synthetic import Sizes, drawn_lengths, synthetic_prompts
from loadgen.plan.tokens import load_tokenizer
from loadgen.recipe.base import Lengths
from loadgen.recipe.workload import FilePrompts, InlinePrompts, LlmWorkload, SyntheticPrompts

MAX_SYNTHETIC = 1024
"""A longer run sends the same synthetic prompts again (each with a new nonce, where it has one)."""


class Draft(NamedTuple):
    """A request to a language model before a target encodes it.

    operation: index into the target's operations. has_nonce: synthetic.NONCE stands in the prompt.
    """

    operation: int
    prompt: Prompt = ""
    output_tokens: int = 0
    has_nonce: bool = False


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a run. has_nonce: synthetic.NONCE stands in each, where the nonce's slot is to be."""

    name: str
    sha256: str
    prompts: list[Prompt]
    has_nonce: bool = False

    @property
    def dataset(self) -> dict[str, str | None]:
        return {"name": self.name, "sha256": self.sha256}


class Drafts(NamedTuple):
    """Every different request of a run, operation after operation. sizes: how many of each. dataset: {name, sha256}."""

    drafts: Iterator[Draft]
    sizes: tuple[int, ...]
    dataset: dict[str, str | None]


def build_drafts(workload: LlmWorkload, seed: int, n_requests: int | None) -> Drafts:
    """n_requests: how many will be sent, where that is known. Raises RecipeError."""
    n_operations = len(workload.weights)
    prompts = build_prompts(workload.prompts, seed, n_requests)
    sizes = (len(prompts.prompts),) * n_operations
    lengths = build_output_tokens(workload.output_tokens, seed, sum(sizes))
    return Drafts(_each_operation(prompts, lengths), sizes, prompts.dataset)


def _each_operation(prompts: PromptSet, lengths: list[int]) -> Iterator[Draft]:
    """All prompts for the first operation, then for the next."""
    n = len(prompts.prompts)
    for place, output_tokens in enumerate(lengths):
        yield Draft(place // n, prompts.prompts[place % n], output_tokens, prompts.has_nonce)


def build_prompts(spec: SyntheticPrompts | FilePrompts | InlinePrompts, seed: int, n_requests: int | None) -> PromptSet:
    """Synthetic prompts: as many as there are requests, at most MAX_SYNTHETIC; else all there are.

    Raises RecipeError.
    """
    if isinstance(spec, SyntheticPrompts):
        return _synthetic(spec, seed, min(n_requests or MAX_SYNTHETIC, MAX_SYNTHETIC))
    if isinstance(spec, FilePrompts):
        path = Path(spec.path).expanduser()
        content = load_prompts(path, spec.field)
        return PromptSet(path.name, content.sha256, content.prompts)
    return PromptSet("inline", _sha256(list(spec.list)), list(spec.list))


def build_output_tokens(spec: int | Lengths, seed: int, n: int) -> list[int]:
    """How many tokens each of n requests of the pool asks for."""
    if isinstance(spec, int):
        return [spec] * n
    return drawn_lengths(seed, Purpose.OUTPUT_LENGTH, n, spec.mean, spec.std, spec.min, spec.max)


def _synthetic(spec: SyntheticPrompts, seed: int, n: int) -> PromptSet:
    tokenizer = load_tokenizer(Path(spec.tokenizer).expanduser()) if spec.tokenizer else None
    sizes = Sizes(spec.input_tokens, spec.input_tokens_std, spec.prefix_tokens)
    prompts, has_nonce = synthetic_prompts(seed, n, sizes, spec.unique, tokenizer)
    unit = f"tokens by {tokenizer.name} ({tokenizer.sha256[:8]})" if tokenizer else "words"
    nonce = ", no room for a nonce" if spec.unique and not has_nonce else ""
    kept: list[Prompt] = [*prompts]
    return PromptSet(f"synthetic, {spec.input_tokens} {unit}{nonce}", _sha256(kept), kept, has_nonce)


def _sha256(prompts: list[Prompt]) -> str:
    return hashlib.sha256(json.dumps(prompts, separators=(",", ":")).encode()).hexdigest()
