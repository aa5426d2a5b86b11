"""Cues of chats, and the two looks on a handful of them."""

from __future__ import annotations

import numpy as np

from training.datasets.dialogue import mentions_of, turns_of
from training.datasets.extraction import Document, LabelledSpan
from training.stages.dialogue_status import Chats, context


def chat(text: str, *marked: tuple[str, str]) -> Document:
    spans, position = [], 0
    for words, status in marked:
        position = text.index(words, position)
        spans.append(LabelledSpan(position, position + len(words), "symptom", status))
        position += len(words)
    return Document("c", "cmdd", text, tuple(spans))


ASKED = chat("医生：有没有呕吐？\n患者：没有\n患者：就是发烧，不呕吐", ("呕吐", "false"), ("发烧", "true"), ("呕吐", "false"))


def test_turns_know_who_speaks() -> None:
    assert [(turn.role, ASKED.text[turn.body : turn.end]) for turn in turns_of(ASKED.text)] == [
        ("D", "有没有呕吐？"),
        ("P", "没有"),
        ("P", "就是发烧，不呕吐"),
    ]


def test_a_question_carries_its_answer() -> None:
    asked, told, again = mentions_of(ASKED)
    assert asked.question and asked.role == "D" and not told.question
    assert "P1whole=Dq没有" in asked.cues
    assert "Ls=P不" in again.cues
    assert "after1Dq" in asked.cues and "before1Ps" in again.cues


def test_the_second_look_sees_namesakes() -> None:
    chats = Chats([ASKED, chat("患者：咳嗽\n医生：几天了", ("咳嗽", "true"))])
    said = np.array([[0.1, 0.8, 0.1], [0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1]])
    rows = context(chats, said)
    assert rows.shape[0] == 4 and chats.gold.tolist() == [1, 0, 1, 0]
    later = rows[0, 9 + 10 : 9 + 20]
    assert later[:3].round(1).tolist() == [0.2, 0.7, 0.1] and later[-1] == 1.0
    assert np.isnan(rows[3, 9:12]).all()
