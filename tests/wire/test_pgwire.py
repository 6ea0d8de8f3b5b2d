"""What a PostgreSQL server answers, cut in every way."""

import struct
from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_pgwire import failure, message, pg, row
from reference_resp import Said

NOTHING: dict[str, Any] = {
    "n_rows": 0,
    "n_affected": 0,
    "has_error": False,
    "is_fatal": False,
    "has_null": False,
    "error": b"",
    "error_code": b"",
}
READY = message(b"Z", b"I")
ONE_COLUMN = message(b"T", struct.pack(">h", 1) + b"id\0" + bytes(18))


def tag(text: str) -> bytes:
    return message(b"C", text.encode() + b"\0")


def joined(said: Said) -> Said:
    """With the pieces of a column as one, and without an error's reason."""
    together: Said = []
    for name, what in said:
        if name == "body" and together and together[-1][0] == "body":
            together[-1] = ("body", together[-1][1] + what)
        else:
            together.append((name, None if name == "error" else what))
    return together


DONE = ("done", "I")
ANSWERS: dict[str, tuple[bytes, Said, dict[str, Any]]] = {
    "one row of a simple query": (
        ONE_COLUMN + row(b"12345") + tag("SELECT 1") + READY,
        [("body", b"12345"), ("row", 12345), DONE],
        {"n_rows": 1, "n_affected": 1},
    ),
    "one row of an extended query": (
        message(b"1") + message(b"2") + ONE_COLUMN + row(b"hello", b"2") + tag("SELECT 1") + READY,
        [("body", b"hello"), ("row", -1), DONE],
        {"n_rows": 1, "n_affected": 1},
    ),
    "many rows": (
        row(b"7", None) + row(b"8") + row(b"9", b"") + tag("SELECT 3") + READY,
        [("body", b"7"), ("row", 7), ("row", 8), ("row", 9), DONE],
        {"n_rows": 3, "n_affected": 3},
    ),
    "no rows": (ONE_COLUMN + tag("SELECT 0") + READY, [DONE], {}),
    "a row that ends the read": (row(b"7"), [("body", b"7"), ("row", 7)], {"n_rows": 1}),
    "NULL in the first row": (row(None, b"1") + READY, [("row", -1), DONE], {"n_rows": 1, "has_null": True}),
    "NULL in a later row": (
        row(b"") + row(None) + READY,
        [("row", -1), ("row", -1), DONE],
        {"n_rows": 2},
    ),
    "a row without columns": (row() + READY, [("row", -1), DONE], {"n_rows": 1, "has_null": True}),
    "ids that are none": (
        b"".join(row(text) for text in (b"-1", b" 1", b"1a", b"0x1", b"1.0", b"9223372036854775808", b"1" * 20)),
        [("body", b"-1"), *[("row", -1)] * 7],
        {"n_rows": 7},
    ),
    "ids at their limits": (
        row(b"0") + row(b"9223372036854775807") + row(b"0000000000000000012"),
        [("body", b"0"), ("row", 0), ("row", 2**63 - 1), ("row", 12)],
        {"n_rows": 3},
    ),
    "rows affected": (tag("INSERT 0 5") + tag("UPDATE 3") + tag("DELETE 0") + READY, [DONE], {"n_affected": 8}),
    "commands without a number": (tag("BEGIN") + tag("CREATE TABLE") + tag("") + READY, [DONE], {}),
    "tags that only look like one": (tag("5") + tag("A 5 B") + tag("A 5 ") + tag("A x5") + READY, [DONE], {}),
    "a number beyond all bounds": (tag("UPDATE " + "9" * 30) + tag("UPDATE 1"), [], {"n_affected": 2**63 - 1}),
    "a tag that no NUL ends": (message(b"C", b"UPDATE 4"), [], {"n_affected": 4}),
    "what follows a tag's NUL": (message(b"C", b"UPDATE 4\0 7"), [], {"n_affected": 4}),
    "what is passed over": (
        b"".join(message(bytes([kind]), b"\0\1x") for kind in b"123TtnSNAsI") + READY,
        [DONE],
        {},
    ),
    "empty messages": (message(b"1") + message(b"2") + message(b"3") + message(b"n") + READY, [DONE], {}),
    "the steps of a transaction": (
        tag("BEGIN") + message(b"Z", b"T") + row(b"1") + tag("SELECT 1") + message(b"Z", b"T") + tag("COMMIT") + READY,
        [("done", "T"), ("body", b"1"), ("row", 1), ("done", "T"), DONE],
        {"n_rows": 1, "n_affected": 1},
    ),
    "an error": (
        failure(S="ERROR", V="ERROR", C="42P01", M='relation "x" does not exist', P="15") + message(b"Z", b"E"),
        [("done", "E")],
        {"has_error": True, "error": b'relation "x" does not exist', "error_code": b"42P01"},
    ),
    "a fatal error": (
        failure(S="FATAL", V="FATAL", C="57P01", M="terminating connection due to administrator command"),
        [],
        {
            "has_error": True,
            "is_fatal": True,
            "error_code": b"57P01",
            "error": b"terminating connection due to administrator command",
        },
    ),
    "a fatal error of an old server": (
        failure(S="PANIC", C="XX000", M="x"),
        [],
        {"has_error": True, "is_fatal": True, "error": b"x", "error_code": b"XX000"},
    ),
    "an error whose severity is translated": (
        failure(S="FATAL", V="ERROR", C="22012", M="x") + failure(S="FEHLER", C="1", M="y"),
        [],
        {"has_error": True, "error": b"x", "error_code": b"22012"},
    ),
    "words that are almost fatal": (
        failure(V="FATALE") + failure(V="FATA") + failure(V="FETAL") + failure(S="") + READY,
        [DONE],
        {"has_error": True},
    ),
    "several errors": (
        failure(V="ERROR", C="23505", M="first") + failure(V="FATAL", C="57P01", M="second"),
        [],
        {"has_error": True, "is_fatal": True, "error": b"first", "error_code": b"23505"},
    ),
    "an error without fields": (message(b"E", b"\0") + READY, [DONE], {"has_error": True}),
    "an error of nothing": (message(b"E") + READY, [DONE], {"has_error": True}),
    "an error that is cut by its message": (
        message(b"E", b"C42601\0Mtoo short"),
        [],
        {"has_error": True, "error": b"too short", "error_code": b"42601"},
    ),
    "an error longer than a record holds": (
        failure(C="4" * 30, M="é" * 80),
        [],
        {"has_error": True, "error": "é".encode() * 54, "error_code": b"4" * 23},
    ),
    "an error after rows": (
        row(b"1") + failure(V="ERROR", C="22012", M="division by zero") + READY,
        [("body", b"1"), ("row", 1), DONE],
        {"n_rows": 1, "has_error": True, "error": b"division by zero", "error_code": b"22012"},
    ),
    "nothing": (b"", [], {}),
}


@pytest.mark.parametrize(("answer", "said", "facts"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_says_the_same_wherever_it_is_cut(
    probe: Any, answer: bytes, said: Said, facts: dict[str, Any]
) -> None:
    expected = (said, NOTHING | facts)
    assert pg(answer) == expected
    for reads in every_cut(answer):
        seen, known = probe.pg(reads)
        assert (joined(seen), known) == expected, reads


@pytest.mark.parametrize("answer", [answer for answer, _, _ in ANSWERS.values()], ids=ANSWERS)
def test_an_answer_that_is_cut_off_wants_more(probe: Any, answer: bytes) -> None:
    for at in range(len(answer)):
        seen, known = probe.pg([answer[:at]])
        assert (joined(seen), known) == pg(answer[:at])


@pytest.mark.parametrize("answer", [answer for answer, _, _ in ANSWERS.values()], ids=ANSWERS)
@pytest.mark.parametrize("behind", [READY, b"T", b"x", row(b"5", b"6") + READY])
def test_what_follows_an_answer_is_read_as_more_of_it(probe: Any, answer: bytes, behind: bytes) -> None:
    for reads in ([answer + behind], [answer, behind]):
        seen, known = probe.pg(reads)
        assert (joined(seen), known) == pg(answer + behind)


BAD = {
    "an unknown type": (message(b"x"), "not known"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n", "COPY"),
    "a login's message": (message(b"R", bytes(4)), "not known"),
    "COPY FROM": (message(b"G", b"\0\0\0"), "COPY"),
    "COPY TO": (message(b"H", b"\0\0\0"), "COPY"),
    "COPY BOTH": (message(b"W", b"\0\0\0"), "COPY"),
    "a length of 3": (b"T\0\0\0\3", "impossible length"),
    "a length of 0": (b"1\0\0\0\0", "impossible length"),
    "a message too long": (b"T" + struct.pack(">I", (1 << 30) + 1), "longer than 1 GiB"),
    "a negative length": (b"T\xff\xff\xff\xff", "longer than 1 GiB"),
    "a status of two bytes": (message(b"Z", b"II"), "impossible length"),
    "no status": (message(b"Z"), "impossible length"),
    "a status that is none": (message(b"Z", b"X"), "none of I, T and E"),
    "an empty row": (message(b"D"), "does not fit"),
    "a row of one byte": (message(b"D", b"\0"), "does not fit"),
    "a row without the first column": (message(b"D", b"\0\1"), "does not fit"),
    "a row with half a length": (message(b"D", b"\0\1\0\0\0"), "does not fit"),
    "a column longer than the row": (message(b"D", b"\0\1\0\0\0\2x"), "does not fit"),
    "a column of length -2": (message(b"D", b"\0\1\xff\xff\xff\xfex"), "does not fit"),
}


@pytest.mark.parametrize(("answer", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_answer_is_refused_wherever_it_is_cut(probe: Any, answer: bytes, reason: str) -> None:
    for behind in (b"", READY):
        assert pg(answer + behind)[0] == [("error", None)]
        for reads in every_cut(answer + behind):
            seen, _ = probe.pg([READY, *reads])
            assert (seen[0], len(seen)) == (DONE, 2)
            assert reason in seen[1][1]


def test_a_long_column_is_handed_on_as_it_comes(probe: Any) -> None:
    whole = row(b"x" * 100_000, b"y" * 100_000) + READY
    assert joined(probe.pg(cut_at(whole, list(range(0, len(whole), 65536))))[0]) == [
        ("body", b"x" * 100_000),
        ("row", -1),
        DONE,
    ]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
COLUMNS = st.none() | st.binary(max_size=24) | st.integers(0, 2**64).map(lambda number: b"%d" % number)
FIELDS = st.dictionaries(st.sampled_from("SVCMDHP"), st.sampled_from(["ERROR", "FATAL", "PANIC", "42601"]) | TEXTS)
MESSAGES = st.one_of(
    st.lists(COLUMNS, max_size=4).map(lambda columns: row(*columns)),
    st.builds("{} {}".format, st.sampled_from(["SELECT", "INSERT 0", "UPDATE", "BEGIN"]), st.integers(0, 2**64)).map(
        tag
    ),
    TEXTS.map(tag),
    FIELDS.map(lambda fields: failure(**fields)),
    st.sampled_from([b"I", b"T", b"E"]).map(lambda status: message(b"Z", status)),
    st.builds(message, st.sampled_from([bytes([kind]) for kind in b"T123ntSNAsI"]), st.binary(max_size=30)),
)
PLACES = st.lists(st.integers(0, 3000), max_size=8)


@given(messages=st.lists(MESSAGES, max_size=8), places=PLACES)
@settings(max_examples=400, deadline=None)
def test_generated_answers_say_what_the_reference_says(probe: Any, messages: list[bytes], places: list[int]) -> None:
    answer = b"".join(messages)
    seen, known = probe.pg(cut_at(answer, places))
    assert (joined(seen), known) == pg(answer)


@given(
    messages=st.lists(MESSAGES, max_size=6),
    at=st.integers(0, 3000),
    damage=st.binary(max_size=3),
    n_cut=st.integers(0, 4),
    places=PLACES,
)
@settings(max_examples=600, deadline=None)
def test_damaged_answers_say_what_the_reference_says(
    probe: Any, messages: list[bytes], at: int, damage: bytes, n_cut: int, places: list[int]
) -> None:
    answer = b"".join(messages)
    at %= len(answer) + 1
    answer = answer[:at] + damage + answer[at + n_cut :]
    seen, known = probe.pg(cut_at(answer, places))
    again, same = probe.pg([answer])
    assert (joined(seen), known) == (joined(again), same)
    try:
        expected = pg(answer)
    except UnicodeDecodeError:  # the reference reads good UTF-8 only
        return
    assert (joined(seen), known) == expected
