"""Questions and their answers: what is asked of (发烧吗？) is so, or not, as the answer says.

A consultation noted turn by turn (医：有没有拉肚子？患：没有) names complaints in its questions; a question without marks of the
speakers counts only where a bare answer closes its own clause (发热吗？没有。).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from data_contracts.structure import Assertion
from knowledge_base.word_lists import WordLists


@dataclass(frozen=True, slots=True)
class Answered:
    """A question in folded text, what its answer says, and the word that says so."""

    start: int
    end: int
    label: Assertion
    cue_start: int
    cue_end: int
    cured: bool = False


class DialogueReader:
    """Finds answered questions; the words are data (`lexicon/turns.yaml`)."""

    def __init__(self, turns: WordLists) -> None:
        """Take the lists `asks`, `replies`, `fillers`, `no`, `unknown`, `yes`, `over`, `had`, `of_kin`, `of_recovery`, `of_past`,
        `denied_again`, `all_of_them`, `answerers`, `answered`, `asks_whether`, `bare_no`."""
        self._turn = re.compile(
            rf"(?:^|(?<=[\s。；;！!？?，,\"]))(?:(?P<asks>{turns.any_of('asks')})|{turns.any_of('replies')})\s?:", re.MULTILINE
        )
        self._asks = re.compile(rf"{turns.any_of('asks')}\s?:")
        fill = rf"(?:{turns.any_of('fillers')}[，,\s]?)*"
        self._unknown = re.compile(rf"\s*{fill}(?P<word>{turns.any_of('unknown')})")
        self._no = re.compile(rf"\s*{fill}(?P<word>{turns.any_of('no')})")
        self._repeats_no = re.compile(rf"\s*[^，,。；;\n]{{1,6}}?(?P<word>{turns.any_of('denied_again')})(?=\s?(?:$|[，,。；;\n]))")
        self._yes = re.compile(rf"\s*[^，,。；;\n]{{0,6}}?(?P<word>(?<![没未无不]){turns.any_of('yes')})")
        self._all = re.compile(rf"\s*{fill}{turns.any_of('all_of_them')}")
        self._over, self._had, self._of_kin = turns.compiled("over"), turns.compiled("had"), turns.compiled("of_kin")
        self._of_recovery, self._of_past = turns.compiled("of_recovery"), turns.compiled("of_past")
        self._bare = re.compile(
            rf"(?P<question>[^。；;\n！!？?]{{1,30}}{turns.any_of('asks_whether')}[^。；;\n！!？?，,]{{0,6}}[？?]|[^。；;\n！!？?]{{1,30}}(?:吗|么|没有?|不)[？?]|(?<![^，,。；;、\s！!？?])[^，,。；;\n！!？?]{{1,8}}[？?](?=\s?[无没否]))"
            rf"\s?(?P<word>{turns.any_of('bare_no')})(?=\s?(?:$|[，,。；;、\n]))"
            rf"|(?P<question2>问[^。；;\n！!？?:]{{1,30}})[，,]{turns.any_of('answerers')}?{turns.any_of('answered')}(?P<word2>{turns.any_of('bare_no')})(?=\s?(?:$|[，,。；;、\n]))"
        )

    def __call__(self, text: str) -> list[Answered]:
        """The answered questions of folded text, in order."""
        marked = ":" in text and self._asks.search(text) is not None
        turns = list(self._turn.finditer(text)) if marked else []
        if not any(turn["asks"] for turn in turns):
            return self._unmarked(text) if "？" in text or "?" in text or "问" in text else []
        found: list[Answered] = []
        for index, turn in enumerate(turns[:-1]):
            answer = turns[index + 1]
            if turn["asks"] and not answer["asks"]:
                end = turns[index + 2].start() if index + 2 < len(turns) else len(text)
                found += self._answered(text, turn.end(), answer.start(), text[answer.end() : end], answer.end())
        return found

    def _answered(self, text: str, start: int, end: int, answer: str, offset: int) -> list[Answered]:
        """The last question of a turn with its answer; an answer to all (都没有) answers every one."""
        asked = text[start:end].rstrip()
        if not self._all.match(answer):
            start += max(asked.rfind(mark, 0, len(asked) - 1) for mark in "？?。；;\n") + 1
            asked = text[start:end]
        if self._of_recovery.search(asked):
            return []
        unknown = self._unknown.match(answer)
        if unknown is not None:
            return [Answered(start, end, "possible", offset + unknown.start("word"), offset + unknown.end("word"))]
        no = self._no.match(answer) or self._repeats_no.match(answer)
        if no is not None:
            return [Answered(start, end, "absent", offset + no.start("word"), offset + no.end("word"))]
        yes = self._yes.match(answer)
        if yes is None:
            return []
        label: Assertion = "present"
        cured = False
        if self._of_kin.search(asked):
            label = "family"
        elif self._of_past.search(asked) and self._over.search(answer):
            label, cured = "historical", True
        elif self._of_past.search(asked) and self._had.fullmatch(yes["word"]):
            label = "historical"
        return [Answered(start, end, label, offset + yes.start("word"), offset + yes.end("word"), cured)]

    def _unmarked(self, text: str) -> list[Answered]:
        found: list[Answered] = []
        for match in self._bare.finditer(text):
            question, word = ("question", "word") if match["question"] else ("question2", "word2")
            if not self._of_recovery.search(match[question]):
                found.append(Answered(match.start(question), match.end(question), "absent", match.start(word), match.end(word)))
        return found


def answer_at(answers: list[Answered], start: int) -> Answered | None:
    """The answered question that holds a position, if any."""
    return next((answer for answer in answers if answer.start <= start < answer.end), None)
