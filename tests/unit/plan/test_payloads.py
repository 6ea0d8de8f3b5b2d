"""Which prompts a recipe asks for."""

import json
from pathlib import Path

import pytest

from loadgen.plan.payloads import MAX_SYNTHETIC, build_output_tokens, build_prompts
from loadgen.recipe.base import Lengths
from loadgen.recipe.workload import FilePrompts, InlinePrompts, SyntheticPrompts


def _synthetic(**fields: object) -> SyntheticPrompts:
    return SyntheticPrompts.model_validate({"kind": "synthetic", **fields})


@pytest.mark.parametrize(
    ("n_requests", "n_prompts"), [(3, 3), (MAX_SYNTHETIC + 1, MAX_SYNTHETIC), (None, MAX_SYNTHETIC)]
)
def test_there_are_as_many_synthetic_prompts_as_requests_up_to_a_limit(n_requests: int | None, n_prompts: int) -> None:
    assert len(build_prompts(_synthetic(input_tokens=2), 0, n_requests).prompts) == n_prompts


def test_the_dataset_says_how_tokens_were_counted() -> None:
    assert build_prompts(_synthetic(input_tokens=7), 0, 1).dataset["name"] == "synthetic, 7 words"


def test_the_dataset_of_synthetic_prompts_has_a_hash_that_follows_the_seed() -> None:
    first, again, other = (build_prompts(_synthetic(), seed, 5).sha256 for seed in (1, 1, 2))
    assert first == again != other


def test_the_dataset_says_when_a_nonce_had_no_room(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    letters = Tokenizer(models.BPE())
    letters.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    letters.train_from_iterator([], trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False))
    letters.save(str(tmp_path / "tokenizer.json"))
    fields = {"input_tokens": 10, "unique": True, "tokenizer": str(tmp_path)}
    built = build_prompts(_synthetic(**fields), 0, 2)
    assert not built.has_nonce
    assert built.name.startswith(f"synthetic, 10 tokens by {tmp_path.name} (")
    assert built.name.endswith("), no room for a nonce")


def test_a_file_is_named_without_its_folder_and_has_no_nonce(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "a"}))
    built = build_prompts(FilePrompts(kind="file", path=str(tmp_path / "p.jsonl"), field=None), 0, 1)
    assert (built.name, built.prompts, built.has_nonce) == ("p.jsonl", ["a"], False)


def test_inline_prompts_stay_as_they_are() -> None:
    built = build_prompts(InlinePrompts.model_validate({"kind": "inline", "list": ["a", "é"]}), 0, 100)
    assert (built.name, built.prompts, built.has_nonce) == ("inline", ["a", "é"], False)


def test_output_lengths_are_fixed_or_drawn() -> None:
    assert build_output_tokens(5, 0, 3) == [5, 5, 5]
    drawn = build_output_tokens(Lengths(mean=50, std=20, min=30, max=60), 0, 500)
    assert (min(drawn), max(drawn)) == (30, 60)
    assert len(set(drawn)) > 20
