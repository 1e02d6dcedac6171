"""Records of the hub, whatever envelope and spelling they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.hub.dialect import Spelling, snake_keys, unwrap

values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))
words = st.from_regex(r"[a-z][a-z0-9]{1,6}", fullmatch=True)
names = st.lists(words, min_size=1, max_size=4).map("_".join)
records = st.dictionaries(names, values, max_size=8)
json_values = st.recursive(
    values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(records, st.dictionaries(names, values))
def test_a_record_is_the_same_with_and_without_its_envelope(
    record: dict[str, object], meta: dict[str, object]
) -> None:
    bare = {name: value for name, value in record.items() if name not in {"data", "meta"}}
    assert unwrap({"data": bare, "meta": meta}) == bare
    assert unwrap(bare) == bare


@given(records)
def test_a_record_reads_the_same_in_both_spellings(record: dict[str, object]) -> None:
    plain = {
        name: value
        for name, value in record.items()
        if not any(part[0].isdigit() for part in name.split("_"))
    }
    camel = {Spelling.CAMEL.write(name): value for name, value in plain.items()}
    assert snake_keys(camel) == plain == snake_keys(plain)


@given(json_values)
def test_what_is_no_record_is_never_taken_for_one(body: object) -> None:
    found = unwrap(body)
    assert found is None or isinstance(found, dict)
    assert (found is None) == (not isinstance(body, dict))
