"""One token a code point, whatever the text holds."""

from __future__ import annotations

import numpy as np
import pytest

from inference.reading.tokens import CharacterTokeniser, assign_unused_slots, fold_character

VOCABULARY = {
    token: row
    for row, token in enumerate(["[PAD]", "[unused1]", "[unused2]", "[unused3]", "[UNK]", "[CLS]", "[SEP]", *"发热咳嗽c1230，。t"])
}


@pytest.fixture
def tokeniser() -> CharacterTokeniser:
    return CharacterTokeniser(VOCABULARY)


@pytest.mark.parametrize(
    "text", ["", "发热39.2℃", "咳嗽\r\n咳嗽", "ＣＴ１２", "a\U0001f600b\u200b", "\ud800", "İ㎎ﬁ", "发" * 20_000], ids=range(8)
)
def test_every_code_point_is_one_token(tokeniser: CharacterTokeniser, text: str) -> None:
    assert tokeniser.encode(text).shape == (len(text) + 2,)


def test_frame_and_folding(tokeniser: CharacterTokeniser) -> None:
    ids = tokeniser.encode("发C Ｃ1１髌\n")
    known = VOCABULARY
    expected = [
        known["[CLS]"], known["发"], known["c"], known["[unused1]"], known["c"], known["1"], known["1"], known["[UNK]"],
        known["[unused1]"], known["[SEP]"],
    ]  # fmt: skip
    assert ids.tolist() == expected
    assert ids.dtype == np.int64


def test_folding_keeps_length() -> None:
    assert [fold_character(c) for c in ("Ａ", "Z", "（", "İ")] == ["a", "z", "（", "İ"]


def test_missing_characters_take_unused_rows() -> None:
    renamed = assign_unused_slots(VOCABULARY, ["髌", "癔", "皲"])
    assert renamed["髌"] == VOCABULARY["[unused2]"] and renamed["癔"] == VOCABULARY["[unused3]"]
    assert "皲" not in renamed and renamed["[unused1]"] == VOCABULARY["[unused1]"]
    assert sorted(renamed.values()) == sorted(VOCABULARY.values())
