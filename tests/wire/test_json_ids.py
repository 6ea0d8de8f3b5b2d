"""The ids in an answer, cut in every way."""

import json
from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import ids
from test_json_generated import Scribe

DOCUMENTS = {
    "Chroma's": ('{"ids":[["v-00012","v-7"],["x3"]],"distances":[[0.5,1e-9],[2]],"documents":null}', [12, 7, 3]),
    "Qdrant's": (
        '{"result":{"points":[{"id":5,"version":3,"score":0.9,"payload":{"city":"id"}},{"id":"a-6"}]},"status":"ok"}',
        [5, 6],
    ),
    "an array at the top": ('[{"id":1},{"id":2}]', [1, 2]),
    "documents one after the other": ('{"id":1}\n{"id":2} [{"ids":[3]}]', [1, 2, 3]),
    "an object between": ('{"ids":{"a":1,"id":2,"b":[3]}}', [2]),
    "after an object between": ('{"ids":[{"x":1},4,{"y":[{"z":5}]},6]}', [4, 6]),
    "nested arrays": ('{"ids":[[[1],[]],2,[[[]],[3]]]}', [1, 2, 3]),
    "strings without digits at the end": ('{"ids":["a","1a","","12 "]}', []),
    "only the last digits count": ('{"id":"8f14e45f-ceea-467a-9c3d-000000000042"}', [42]),
    "keys that are almost the right ones": ('{"Id":1,"idx":2,"i":3,"":4,"idss":5,"_id":6,"ID":7,"ids ":8}', []),
    "keys with escapes": (r'{"\u0069d":1,"i\u0064s":[2],"id\n":3,"id\ud83d":4,"\u0069\u0064\u0073\u0073":5}', [1, 2]),
    "values with escapes": (r'{"ids":["\u0031\u0032","1\n2","7\"","\\3","\ud83d4","5\ud83d","\ud83d\ude006"]}', None),
    "numbers that are no ids": ('{"ids":[1.0,1e3,2.5,-0.0]}', []),
    "negative numbers": ('{"ids":[-5,0,-0]}', [-5, 0, 0]),
    "large numbers": (
        '{"ids":[9223372036854775807,9223372036854775808,"9223372036854775807","9223372036854775808","'
        + "9" * 40
        + '"]}',
        [2**63 - 1] * 5,
    ),
    "what is no number": ('{"ids":[true,false,null,"x",{}]}', []),
    "white space everywhere": ('\t{ "ids" : [ 1 , "2" ] ,\r\n"x" : 3 , "id" : 4 }\n', [1, 2, 4]),
    "the last thing before a bracket": ('{"ids":[12]}', [12]),
    "64 levels": ('{"id":' * 64 + "1" + "}" * 64, [1]),
    "a 65th level": ('{"id":' * 65 + "1" + "}" * 65, []),
    "below 64 levels and back": (
        '{"x":' * 63 + '[{"id":[1,"]}\\"",{}]},[2]],"id":3' + "}" * 63 + ' {"id":4}',
        [3, 4],
    ),
    "nothing": ("", []),
    "nothing in it": ('{"a":[],"b":{},"ids":[],"id":{}}', []),
}


@pytest.mark.parametrize(("document", "named"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_same_ids_are_named_wherever_the_answer_is_cut(probe: Any, document: str, named: list[int] | None) -> None:
    if named is None:
        named = list(ids(json.loads(document)))
        assert named == [12, 2, 3, 4, 6]
    for reads in every_cut(document.encode()):
        assert probe.ids(reads) == named, reads


RUBBISH = [
    "<html><body>id 5</body></html>", '"id":5', "id:5", '{"id" 5}', '{"id":}', "{id:5}", '{"id":5x}', '{"a":1 "id":5}',
    '{"ids":[]]', '{"x":1]"id":5}', '["id":5]', '{"id":01}', '{"id":-}', '{"id":"a\n5"}',
    r'{"id":"\x5"}', "}", "]", ",", ":", '{"a":,"id":5}', "nul{", '{"id":"5', '{"id":5', "\xff",
]  # fmt: skip


@pytest.mark.parametrize("text", RUBBISH)
def test_rubbish_names_no_ids_and_is_no_error(probe: Any, text: str) -> None:
    for reads in every_cut(text.encode() + b' {"id":9}' if not text.endswith("5") else text.encode()):
        assert probe.ids(reads) == []


def test_what_was_named_before_rubbish_stays_named(probe: Any) -> None:
    for text in (b'{"id":5,"x":?,"id":6}', b'{"ids":[5 6]}', b'{"ids":[5,6x]}', b'{"ids":[5,[}6]}'):
        for reads in every_cut(text):
            assert probe.ids(reads) == [5]


NAMES = st.sampled_from(["id", "ids", "a", "points", "i", "idd"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.integers(0, 10**20).map(lambda number: f"v-{number}"),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


class PlainScribe(Scribe):
    """Whole numbers stay whole: as 1.0 they would be no ids."""

    def number(self, number: float) -> str:
        return repr(number)


@given(document=VALUES, seed=st.integers(0, 2**32), places=st.lists(st.integers(0, 500), max_size=8))
@settings(max_examples=400, deadline=None)
def test_generated_documents_name_the_ids_that_the_reference_names(
    probe: Any, document: Any, seed: int, places: list[int]
) -> None:
    written = PlainScribe(seed).write(document).encode()
    assert probe.ids(cut_at(written + b"\n", places)) == list(ids(json.loads(written)))
