"""Synthetic prompts: lengths in words and in tokens, nonces, prefixes."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Trainable
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from loadgen.errors import RecipeError
from loadgen.plan.streams import Purpose
from loadgen.plan.synthetic import NONCE, SAMPLE_NONCE, Sizes, drawn_lengths, synthetic_prompts
from loadgen.plan.tokens import Tokenizer, load_tokenizer

CORPUS = [
    "the quick brown fox jumps over the lazy dog and runs into the river while nobody looks at it",
    "for index, value in enumerate(values): total += value * 0.25; print(index, total)",
    "a tokenizer learns which letters stand together most often: barn, melon, sun, win, hero, lab",
]


def _byte_level() -> Trainable:
    trained = Trainable(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    )
    return trained


def _sentence_piece_like() -> Trainable:
    """No pre-tokenizer: a blank is a letter, and tokens may span words."""
    trained = Trainable(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], initial_alphabet=[*letters, "▁"], show_progress=False
    )
    trained.train_from_iterator(CORPUS, trainer)
    return trained


@pytest.fixture(scope="module", params=[_byte_level, _sentence_piece_like])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("model")
    request.param().save(str(folder / "tokenizer.json"))
    return load_tokenizer(folder)


@pytest.mark.parametrize("n_tokens", [1, 2, 7, 64, 300])
@pytest.mark.parametrize("unique", [False, True])
def test_a_prompt_has_exactly_the_tokens_asked_for(tokenizer: Tokenizer, n_tokens: int, unique: bool) -> None:
    prompts, has_nonce = synthetic_prompts(1, 20, Sizes(n_tokens, 0.0, 0), unique, tokenizer)
    assert [tokenizer.count(prompt.replace(NONCE, SAMPLE_NONCE)) for prompt in prompts] == [n_tokens] * 20
    assert has_nonce == (unique and n_tokens >= tokenizer.count(SAMPLE_NONCE))


def test_a_prompt_with_prefix_and_nonce_has_exactly_the_tokens_asked_for(tokenizer: Tokenizer) -> None:
    prompts, has_nonce = synthetic_prompts(1, 20, Sizes(120, 15.0, 40), True, tokenizer)
    beginnings = {prompt.partition(NONCE)[0] for prompt in prompts}
    assert has_nonce
    assert len(beginnings) == 1
    assert tokenizer.count(beginnings.pop().strip()) == 40
    expected = drawn_lengths(1, Purpose.INPUT_LENGTH, 20, 120, 15.0, 40, None)
    assert [tokenizer.count(prompt.replace(NONCE, SAMPLE_NONCE)) for prompt in prompts] == expected


def test_without_a_tokenizer_words_are_counted_and_the_nonce_is_one() -> None:
    prompts, has_nonce = synthetic_prompts(3, 5, Sizes(10, 0.0, 4), True, None)
    assert has_nonce
    assert [len(prompt.split()) for prompt in prompts] == [10] * 5
    assert {tuple(prompt.split()[:5]) for prompt in prompts} == {tuple(prompts[0].split()[:5])}
    assert prompts[0].split()[4] == NONCE
    assert len({tuple(prompt.split()[5:]) for prompt in prompts}) == 5


def test_prompts_that_need_not_be_unique_have_no_nonce() -> None:
    prompts, has_nonce = synthetic_prompts(3, 2, Sizes(10, 0.0, 0), False, None)
    assert not has_nonce
    assert not any(NONCE in prompt for prompt in prompts)


def test_a_prompt_that_is_all_prefix_is_the_prefix() -> None:
    prompts, has_nonce = synthetic_prompts(3, 3, Sizes(6, 0.0, 6), True, None)
    assert not has_nonce
    assert len(set(prompts)) == 1
    assert len(prompts[0].split()) == 6


def test_a_prompt_depends_on_seed_and_place_alone() -> None:
    few, _ = synthetic_prompts(3, 2, Sizes(10, 3.0, 0), False, None)
    many, _ = synthetic_prompts(3, 50, Sizes(10, 3.0, 0), False, None)
    other, _ = synthetic_prompts(4, 2, Sizes(10, 3.0, 0), False, None)
    assert few == many[:2]
    assert few != other


def test_prompts_are_plain_letters_and_blanks() -> None:
    text = "".join(synthetic_prompts(3, 20, Sizes(30, 0.0, 0), False, None)[0])
    assert text.replace(" ", "").isalpha()
    assert text.isascii()


def test_drawn_lengths_have_their_mean_deviation_and_limits() -> None:
    lengths = drawn_lengths(1, Purpose.OUTPUT_LENGTH, 50_000, 100.0, 20.0, 60, 150)
    assert min(lengths) == 60
    assert max(lengths) == 150
    assert sum(lengths) / len(lengths) == pytest.approx(100, rel=0.01)
    assert drawn_lengths(1, Purpose.OUTPUT_LENGTH, 10, 100.0, 20.0, 60, 150) == lengths[:10]


def test_lengths_without_deviation_are_the_mean_within_the_limits() -> None:
    assert drawn_lengths(1, Purpose.OUTPUT_LENGTH, 2, 100.4, 0.0, 1, None) == [100, 100]
    assert drawn_lengths(1, Purpose.OUTPUT_LENGTH, 1, 100.0, 0.0, 1, 64) == [64]


def test_a_tokenizer_may_be_named_by_its_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    _byte_level().save(str(tmp_path / "small.json"))
    assert load_tokenizer(tmp_path / "small.json").count("the fox") == 2


def test_a_tokenizer_that_truncates_is_told_not_to(tmp_path: Path) -> None:
    truncating = _byte_level()
    truncating.enable_truncation(4)
    truncating.enable_padding(length=3)
    truncating.save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path).count("one two three four five six") > 4
    assert load_tokenizer(tmp_path).count("a") == 1


def test_no_tokenizer_at_the_path_is_the_recipes_fault(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"workload.prompts.tokenizer: .*tokenizer.json: No such file"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", [b"{}", b"not json", b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_the_recipes_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(RecipeError, match=r"not a tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_that_allows_no_such_length_says_so() -> None:
    with pytest.raises(RecipeError, match="gives no prompt of exactly 3 tokens"):
        synthetic_prompts(1, 1, Sizes(3, 0.0, 0), False, _Pairs())


class _Pairs(Tokenizer):
    """Each word is two tokens."""

    def __init__(self) -> None:
        self.name = "pairs"

    def count(self, text: str) -> int:
        return 2 * len(text.split())

    def cut_after_word(self, text: str, n_tokens: int) -> str:
        return " ".join(text.split()[: n_tokens // 2])
