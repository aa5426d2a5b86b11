"""How an overlay's file changes the house's."""

from __future__ import annotations

from knowledge_base.merging import merged


def test_what_is_not_named_stays() -> None:
    assert merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 5}}) == {"a": 1, "b": {"c": 5, "d": 3}}


def test_null_takes_a_key_away() -> None:
    assert merged({"a": 1, "b": 2}, {"b": None}) == {"a": 1}


def test_entries_are_merged_by_id_and_new_ones_come_last() -> None:
    base = [{"id": "x", "when": "fever", "source": "s"}, {"id": "y"}]
    assert merged(base, [{"id": "z"}, {"id": "x", "when": "cough"}]) == [
        {"id": "x", "when": "cough", "source": "s"},
        {"id": "y"},
        {"id": "z"},
    ]


def test_procedures_by_code_and_notifiable_by_disease() -> None:
    assert merged([{"code": "47.09", "name": "a"}], [{"code": "47.09", "name": "b"}]) == [{"code": "47.09", "name": "b"}]
    assert len(merged([{"disease": "a"}], [{"disease": "b"}])) == 2


def test_words_gain_and_ranges_are_replaced() -> None:
    assert merged(["咳嗽"], ["咳", "咳嗽"]) == ["咳嗽", "咳"]
    assert merged([2, 100], [18, 100]) == [18, 100]


def test_the_base_is_not_touched() -> None:
    base = {"a": {"b": [{"id": "x"}]}}
    merged(base, {"a": {"b": [{"id": "x", "k": 1}]}})
    assert base == {"a": {"b": [{"id": "x"}]}}


def test_nothing_below() -> None:
    assert merged(None, {"a": 1}) == {"a": 1}
