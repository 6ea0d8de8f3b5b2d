"""Prompts out of files, good and bad."""

import hashlib
import json
from pathlib import Path

import pytest

from loadgen.errors import RecipeError
from loadgen.plan import files
from loadgen.plan.files import load_prompts

MESSAGES = [{"role": "user", "content": "Bonjour, ça va?"}]


def _file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, "utf-8")
    return path


def test_a_txt_has_one_prompt_a_line_and_blank_lines_are_none(tmp_path: Path) -> None:
    path = _file(tmp_path, "p.txt", "one\r\n\n  two \nthree\u2028still three\n")
    assert load_prompts(path, None).prompts == ["one", "  two ", "three\u2028still three"]


def test_the_sha256_is_the_files(tmp_path: Path) -> None:
    path = _file(tmp_path, "p.txt", "one\n")
    assert load_prompts(path, None).sha256 == hashlib.sha256(b"one\n").hexdigest()


def test_a_byte_order_mark_is_no_part_of_the_first_prompt(tmp_path: Path) -> None:
    assert load_prompts(_file(tmp_path, "p.txt", "\ufeffone\n"), None).prompts == ["one"]


def test_a_jsonl_has_prompts_messages_or_plain_texts(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": "a", "id": 1}), json.dumps({"messages": MESSAGES}), '"b"']
    assert load_prompts(_file(tmp_path, "p.jsonl", "\n".join(lines)), None).prompts == ["a", MESSAGES, "b"]


def test_a_field_may_be_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "p.jsonl", json.dumps({"prompt": "a", "question": "b"}))
    assert load_prompts(path, "question").prompts == ["b"]


def test_sharegpt_gives_the_first_human_turn_of_each_conversation(tmp_path: Path) -> None:
    conversations = [
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "a"},
                {"from": "gpt", "value": "x"},
            ]
        },
        {"conversations": [{"from": "gpt", "value": "nobody asked"}]},
        {"conversations": [{"from": "user", "value": "b"}]},
        {"conversations": []},
    ]
    assert load_prompts(_file(tmp_path, "p.json", json.dumps(conversations)), None).prompts == ["a", "b"]


def test_a_json_list_of_plain_prompts_will_do(tmp_path: Path) -> None:
    assert load_prompts(_file(tmp_path, "p.json", '["a", {"prompt": "b"}]'), None).prompts == ["a", "b"]


def test_a_csv_has_a_column_of_prompts_and_quotes_are_respected(tmp_path: Path) -> None:
    path = _file(tmp_path, "p.csv", 'id,prompt\n1,"a, with\nline ""two"""\n2,\n3,b\n')
    assert load_prompts(path, None).prompts == ['a, with\nline "two"', "b"]


def test_a_csv_column_may_be_named(tmp_path: Path) -> None:
    assert load_prompts(_file(tmp_path, "p.csv", "q,prompt\na,b\n"), "q").prompts == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.parquet", "", r"ends with none of \.txt, \.jsonl, \.json, \.csv"),
        ("p.txt", "\n \n", "holds no prompt"),
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": \n', r"p\.jsonl:2: not JSON"),
        ("p.jsonl", '{"text": "a"}', r"p\.jsonl:1: line 1 has no prompt or messages"),
        ("p.jsonl", '{"prompt": 3}', r"p\.jsonl:1: line 1: prompt must be a text"),
        ("p.jsonl", '{"prompt": " "}', r"p\.jsonl:1: line 1: prompt must be a text"),
        ("p.jsonl", '{"messages": ["a"]}', r"p\.jsonl:1: line 1: messages must be"),
        ("p.jsonl", "[1]", r"p\.jsonl:1: line 1 has no prompt"),
        ("p.json", '{"prompt": "a"}', "must hold a list"),
        ("p.json", "[\n1,\n", r"p\.json:\d: not JSON"),
        ("p.json", "[1]", "entry 1 has no prompt or messages"),
        ("p.csv", "a,b\n1,2\n", r"p\.csv:1: has no column prompt; there are: a, b"),
        ("p.csv", "", "has no column prompt"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=f"^workload.prompts.path: .*{reason}") as caught:
        load_prompts(_file(tmp_path, name, content), None)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_the_recipes_fault(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        load_prompts(tmp_path / "p.txt", None)


def test_a_file_that_is_not_utf_8_says_where(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"abc\xff")
    with pytest.raises(RecipeError, match="not UTF-8 at byte 3"):
        load_prompts(tmp_path / "p.txt", None)


def test_a_file_beyond_memory_says_how_much_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    with pytest.raises(RecipeError, match="11 bytes are more than the 10 that are held in memory"):
        load_prompts(_file(tmp_path, "p.txt", "x" * 11), None)
