"""Normalisation keeps every offset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.reading.normalise import compact
from inference.reading.rule_reader import RuleReader

ANY_TEXT = st.text(alphabet=st.characters(), max_size=200)


@given(ANY_TEXT)
def test_folding_keeps_the_length(rules: RuleReader, text: str) -> None:
    assert len(rules.normalise(text)) == len(text)


@given(ANY_TEXT)
def test_compaction_leads_back(text: str) -> None:
    compacted = compact(text)
    for index, character in enumerate(compacted.text):
        start, end = compacted.back(index, index + 1)
        assert text[start:end] == character


def test_signs_and_traditional_characters(rules: RuleReader) -> None:
    assert rules.normalise("體溫３８．５℃，ＢＰ：１２０／８０") == "体温38.5℃，bp:120/80"


def test_html_remains_are_blanked_and_comparators_kept(rules: RuleReader) -> None:
    assert rules.normalise("<p>CRP<8</p>&nbsp;WBC&lt;4").split() == ["crp<8", "wbc<", "4"]


def test_lone_surrogates_become_replacement_characters(rules: RuleReader) -> None:
    assert rules.normalise("发热\ud800") == "发热\ufffd"


def test_zero_width_characters_do_not_break_words() -> None:
    compacted = compact("发\u200b热3天")
    assert compacted.text == "发热3天"
    assert compacted.back(0, 2) == (0, 3)
