"""Synthetic prompts: pronounceable words drawn from the seed, cut to a length in tokens or in words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from loadgen.errors import RecipeError
from loadgen.plan.model import SLOT_BYTES
from loadgen.plan.streams import BLOCK, Purpose, blockwise, generator
from loadgen.plan.tokens import Tokenizer

WORDS = tuple(onset + vowel + coda for onset in "bdfghjklmnprstvw" for vowel in "aeiou" for coda in ("", *"lmnr"))
"""One syllable each, which most tokenizers have as one token. A constant of the format, as the order is."""

FILLERS = (*"abcdefghijklmnopqrstuvwxyz", *WORDS, *"0123456789.,;:!?-")
"""Tried one after the other where a token or two are missing."""

NONCE = "loadgenNonceSlotOfThisPrompt"
"""Stands in a prompt where the nonce's slot will be."""

SAMPLE_NONCE = "BM-20260131-042-000000012345"
"""What the engine writes into a slot looks like this: counted in the nonce's place."""

_N_TRIES = 20
_SHARED_PREFIX_ENTRY = 2**40  # no pool has so many prompts

assert len(NONCE) == len(SAMPLE_NONCE) == SLOT_BYTES


@dataclass(frozen=True)
class Sizes:
    """Lengths in tokens, or in words where there is no tokenizer. The prefix is part of the whole."""

    mean: int
    std: float
    prefix: int


def synthetic_prompts(
    seed: int, n: int, sizes: Sizes, unique: bool, tokenizer: Tokenizer | None
) -> tuple[list[str], bool]:
    """n prompts, and whether each has a nonce (NONCE stands in its place), right behind the shared prefix.

    A nonce counts as one word, or as the tokens of SAMPLE_NONCE. It is left out of all where the shortest has no room
    for it. Raises RecipeError where the tokenizer allows no text of exactly so many tokens.
    """
    build = _exactly(tokenizer) if tokenizer else _in_words
    prefix = build("", sizes.prefix, seed, _SHARED_PREFIX_ENTRY)
    head = f"{prefix} {SAMPLE_NONCE}".strip()
    lengths = _lengths(seed, n, sizes)
    count = tokenizer.count if tokenizer else _count_words
    has_nonce = unique and count(head) <= min(lengths, default=0)
    prompts = [build(head if has_nonce else prefix, length, seed, entry) for entry, length in enumerate(lengths)]
    return [prompt.replace(SAMPLE_NONCE, NONCE, 1) for prompt in prompts] if has_nonce else prompts, has_nonce


def drawn_lengths(
    seed: int, purpose: Purpose, n: int, mean: float, std: float, low: int, high: int | None
) -> list[int]:
    """n whole numbers: normal, rounded, held within low and high."""
    if not std:
        return [int(np.clip(round(mean), low, high))] * n
    normal = blockwise(lambda block: generator(seed, purpose, block).standard_normal(BLOCK))(0, n)
    return [int(value) for value in np.clip(np.rint(mean + std * normal), low, high)]


def _lengths(seed: int, n: int, sizes: Sizes) -> list[int]:
    return drawn_lengths(seed, Purpose.INPUT_LENGTH, n, sizes.mean, sizes.std, max(sizes.prefix, 1), None)


def _drawn_words(seed: int, entry: int, attempt: int, n: int) -> Iterable[str]:
    draws = generator(seed, Purpose.PROMPT, entry * _N_TRIES + attempt).random(n)
    return map(WORDS.__getitem__, (draws * len(WORDS)).astype(np.int64).tolist())


def _count_words(text: str) -> int:
    return len(text.split())


def _in_words(head: str, n: int, seed: int, entry: int) -> str:
    """The head and drawn words, n words together."""
    return " ".join([*head.split(), *_drawn_words(seed, entry, 0, n - _count_words(head))])


def _exactly(tokenizer: Tokenizer) -> Callable[[str, int, int, int], str]:
    """Like _in_words, in tokens."""

    def build(head: str, n: int, seed: int, entry: int) -> str:
        for attempt in range(_N_TRIES):
            text = " ".join([*head.split(), *_drawn_words(seed, entry, attempt, n)])
            filled = _filled(tokenizer, tokenizer.cut_after_word(text, n), n)
            if filled is not None and filled.startswith(head):
                return filled
        raise RecipeError(
            f"workload.prompts: this tokenizer ({tokenizer.name}) gives no prompt of exactly {n} tokens;"
            " try another length"
        )

    return build


def _filled(tokenizer: Tokenizer, text: str, n: int) -> str | None:
    """The text and what it lacks of n tokens; None where no filler has one token."""
    while (n_had := tokenizer.count(text)) < n:
        longer = (f"{text} {filler}".strip() for filler in FILLERS)
        found = next((candidate for candidate in longer if tokenizer.count(candidate) == n_had + 1), None)
        if found is None:
            return None
        text = found
    return text
