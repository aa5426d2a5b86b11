"""Cues round a symptom in a doctor-patient chat, as strings for a linear model over hashed features.

What decides is seldom in the mention's own turn: 有没有呕吐？ is answered by the patient one or two turns later, and what is
said of the same symptom elsewhere speaks for it too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.datasets.extraction import Document, LabelledSpan

_QUESTION = re.compile(r"[?？]|吗|嘛|有没有|有无|是不是|是否|没有$|没$|么$|呢")
_ENDS = re.compile("[。？?！!；;]")
ANSWERS = 3
"""Patient turns after a doctor's turn that may answer it."""
FOLLOWING = 3
"""Turns after a mention whose words are looked at."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of a chat: where it starts and ends, who speaks (D, P or X), where the words begin."""

    start: int
    end: int
    role: str
    body: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A symptom with its cues; `turn` counts from 0."""

    span: LabelledSpan
    text: str
    turn: int
    role: str
    question: bool
    cues: tuple[str, ...]


def turns_of(text: str) -> list[Turn]:
    """The turns of a chat whose lines begin with 医生： or 患者：."""
    turns: list[Turn] = []
    position = 0
    for line in text.split("\n"):
        role = "D" if line.startswith("医生") else "P" if line.startswith("患者") else "X"
        body = position + 3 if role != "X" and line[2:3] == "：" else position
        turns.append(Turn(position, position + len(line), role, body))
        position += len(line) + 1
    return turns


def _grams(text: str, tag: str, low: int = 1) -> Iterator[str]:
    for size in range(low, 4):
        for start in range(len(text) - size + 1):
            yield tag + text[start : start + size]


def mentions_of(document: Document) -> list[Mention]:
    """The mentions of a chat that carry a status, in order."""
    turns = turns_of(document.text)
    starts = [turn.start for turn in turns]
    spans = sorted(document.spans, key=lambda span: (span.start, span.end))
    places = [bisect_right(starts, span.start) - 1 for span in spans]
    return [_mention(document.text, turns, spans, places, number) for number, span in enumerate(spans) if span.status is not None]


def _mention(text: str, turns: Sequence[Turn], spans: Sequence[LabelledSpan], places: Sequence[int], number: int) -> Mention:
    span, place = spans[number], places[number]
    turn, words = turns[place], text[span.start : span.end]
    left, right = text[turn.body : span.start], text[span.end : turn.end]
    near_left = _ENDS.split(left)[-1]
    stop = _ENDS.search(right)
    near_right = right[: stop.end()] if stop else right
    question = bool(_QUESTION.search(near_left[-20:] + "|" + near_right))
    role = turn.role
    kind = role + ("q" if question else "s")
    cues = [f"k={kind}", f"m={words}", f"mk={kind}{words}", f"L0{role}{not left}", f"R0{role}{not right}"]
    cues += [f"Ls={role}{left[-n:]}" for n in range(1, 6) if len(left) >= n]
    cues += [f"Rs={role}{right[:n]}" for n in range(1, 6) if len(right) >= n]
    cues += [*_grams(near_left[-12:], "L" + role), *_grams(near_right[:12], "R" + role)]
    cues += [*_grams(left[:-12][-25:], "LL", 2), *_grams(right[12:40], "RR", 2)]
    cues += _after(text, turns, place, kind, words)
    if place:
        before = turns[place - 1]
        said = text[before.body : before.end]
        cues += [*_grams(said[-15:], "B1" + before.role), f"B1q{before.role}{bool(_QUESTION.search(said))}{kind}"]
    cues += [f"pos{min(9, 10 * place // len(turns))}{role}", f"npos{min(place, 9)}{role}", f"ent{places.count(place)}"]
    cues += _elsewhere(text, turns, spans, places, number, kind)
    return Mention(span, words, place, role, question, tuple(cues))


def _after(text: str, turns: Sequence[Turn], place: int, kind: str, words: str) -> Iterator[str]:
    """The turns that follow; after a doctor's turn the first patient turns answer."""
    answers = 0
    for distance, turn in enumerate(turns[place + 1 : place + 7], 1):
        said = text[turn.body : turn.end]
        if distance <= FOLLOWING:
            yield f"Nr{distance}{turn.role}"
            yield from _grams(said[:14], f"N{distance}{turn.role}")
        if kind[0] == "D" and turn.role == "P" and answers < ANSWERS:
            answers += 1
            yield from (f"P{answers}s={kind}{said[:n]}" for n in range(1, 5))
            yield f"P{answers}whole={kind}{said[:8]}"
            yield from _grams(said[:20], f"P{answers}{kind}")
            at = said.find(words)
            if at >= 0:
                yield from (f"P{answers}has{kind}", "Pbef=" + said[max(0, at - 2) : at], "Paft=" + said[at + len(words) :][:2])


def _elsewhere(
    text: str, turns: Sequence[Turn], spans: Sequence[LabelledSpan], places: Sequence[int], number: int, kind: str
) -> Iterator[str]:
    """The same words, or words that hold them, in other places."""
    span = spans[number]
    words = text[span.start : span.end]
    others = [(turns[p], s, text[s.start : s.end]) for s, p in zip(spans, places, strict=True) if s is not span]
    for side in ("before", "after"):
        same = [(turn, other) for turn, other, said in others if said == words and (other.start < span.start) == (side == "before")]
        yield f"{side}{min(3, len(same))}{kind}"
        for turn, other in same[:3]:
            yield from (
                f"{side}r{turn.role}{kind}",
                f"{side}l{turn.role}{text[max(turn.body, other.start - 2) : other.start]}",
                f"{side}rr{turn.role}{text[other.end : other.end + 2]}",
            )
    parts = [(turn, other) for turn, other, said in others if said != words and (said in words or words in said)]
    yield f"part{min(2, len(parts))}{kind}"
    for turn, other in parts[:2]:
        side = "b" if other.start < span.start else "a"
        yield f"partr{turn.role}{side}{kind}"
        yield f"partl{turn.role}{text[max(turn.body, other.start - 2) : other.start]}"
