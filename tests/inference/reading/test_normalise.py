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
    ends = 0
    for index, character in enumerate(compacted.text):
        start, end = compacted.back(index, index + 1)
        assert ends <= start < end
        assert text[start:end] == character or "<" in text or "&" in text
        ends = end


def test_signs_and_traditional_characters(rules: RuleReader) -> None:
    assert rules.normalise("體溫３８．５℃，ＢＰ：１２０／８０") == "体温38.5℃，bp:120/80"


def test_html_remains_are_cut_out_and_comparators_kept(rules: RuleReader) -> None:
    typed = "<p>CRP<8</p>&nbsp;WBC&lt;4×10<sup>9</sup>/L<td>T</td><td>38.5&#8451;</td>"
    compacted = compact(typed)
    assert rules.normalise(compacted.text).split() == ["crp<8", "wbc<4×109/l", "t", "38.5℃"]
    at = compacted.text.index("<4")
    assert typed[slice(*compacted.back(at, at + 2))] == "&lt;4"


def test_a_text_spread_by_a_scanner_is_drawn_together() -> None:
    typed = "患 者 3 天 前 出 现 发 热 ， 伴 咳 嗽 ， B P 1 3 0 / 8 0"
    compacted = compact(typed)
    assert "患者3天前出现发热，伴咳嗽，" in compacted.text and "130/80" in compacted.text
    assert compact("发热 3天 咳嗽").text == "发热 3天 咳嗽"


def test_lines_broken_at_a_fixed_width_are_joined() -> None:
    typed = "患者三天前无明显诱因出现阵发性咳嗽，咳少量白色黏痰，伴发\n热，体温最高三十八度五，无胸痛，自服感冒药后无明显好转，今\n日来诊。\n既往史：否认高血压、糖尿病。\n查体：双肺呼吸音粗"
    assert compact(typed).text.count("\n") == 2
    assert "伴发热，" in compact(typed).text
    listed = "主诉：咳嗽\n现病史：受凉后咳嗽\n查体：咽红"
    assert compact(listed).text == listed


def test_lone_surrogates_become_replacement_characters(rules: RuleReader) -> None:
    assert rules.normalise("发热\ud800") == "发热\ufffd"


def test_zero_width_characters_do_not_break_words() -> None:
    compacted = compact("发\u200b热3天")
    assert compacted.text == "发热3天"
    assert compacted.back(0, 2) == (0, 3)
