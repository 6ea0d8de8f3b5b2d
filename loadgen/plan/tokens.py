"""Counting tokens with the model's own tokenizer, through the optional `tokenizers` package."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from loadgen.errors import RecipeError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Loaded


class Tokenizer:
    """A tokenizer.json. Special tokens (begin of text, chat template) are the server's, and not counted."""

    def __init__(self, loaded: "Loaded", name: str, sha256: str) -> None:
        self._loaded = loaded
        self.name = name
        self.sha256 = sha256

    def count(self, text: str) -> int:
        return len(self._loaded.encode(text, add_special_tokens=False).ids)

    def cut_after_word(self, text: str, n_tokens: int) -> str:
        """The longest beginning of the text that ends with a word and whose own tokens are at most n_tokens."""
        offsets = self._loaded.encode(text, add_special_tokens=False).offsets
        kept = text if len(offsets) <= n_tokens else _last_word_end(text, offsets[n_tokens - 1][1])
        while kept and self.count(kept) > n_tokens:
            kept = _last_word_end(kept, len(kept) - 1)
        return kept


def load_tokenizer(path: Path) -> Tokenizer:
    """Raises RecipeError where there is no such file, it is no tokenizer, or the package is missing."""
    file = path / "tokenizer.json" if path.is_dir() else path
    field = "workload.prompts.tokenizer"
    try:
        from tokenizers import Tokenizer as Loaded
    except ImportError:
        raise RecipeError(f"{field}: needs the package tokenizers: pip install 'loadgen[tokenizers]'") from None
    try:
        content = file.read_bytes()
        loaded = Loaded.from_str(content.decode())
    except OSError as error:
        raise RecipeError(f"{field}: {file}: {error.strerror}") from None
    except Exception as error:  # the package raises a bare Exception for what it cannot read
        raise RecipeError(f"{field}: {file}: not a tokenizer.json ({error})") from None
    loaded.no_truncation()
    loaded.no_padding()
    return Tokenizer(loaded, file.parent.name or file.name, hashlib.sha256(content).hexdigest())


def _last_word_end(text: str, before: int) -> str:
    return text[: max(text.rfind(" ", 0, before + 1), 0)]
