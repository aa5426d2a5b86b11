"""Whom a stretch of text speaks of: the patient, blood kin, or somebody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.reading.trie import Trie
from knowledge_base.word_lists import WordLists

_SENTENCE = re.compile(r"[^。\n；;！？!?]+")
_CLOSED_HISTORY = re.compile("(?<=史)[，,]")
_A_REMARK = 14
_A_REMARK_OF_NOW = 9
_SURNAME = "[一-鿿](?<![其他她我你您咱俺患病])[大老小]?"
_AGED = re.compile(r"\s?[，,]?\s?(?:[男女][，,\s]{1,2})?(?:\d{1,3}\s?岁|\d{2}(?=\s?[，,。；;、]))")
"""张大妈，68岁: a surname, an address and an age name the patient."""
_BLOOD_GROUP = re.compile(r"(?:血型)?[:为是]?\s?(?:rh|[abo]{1,2}型)[^，,。；;\n]{0,6}[，,]")


@dataclass(frozen=True, slots=True)
class Subject:
    """A stretch that speaks of another person, with the word that says so."""

    start: int
    end: int
    kind: str  # family | other_person
    cue_start: int
    cue_end: int


class SubjectFinder:
    """Finds the stretches of a text that speak of somebody other than the patient."""

    def __init__(self, relatives: Mapping[str, Any]) -> None:
        """Take the content of `lexicon/relatives.yaml`."""
        words: dict[str, str] = {}
        if relatives.get("enabled", True):
            for kind, key in (("family", "kin"), ("other_person", "others"), ("patient", "patient"), ("pseudo", "speakers")):
                words.update(dict.fromkeys(relatives[key], kind))
        self._words = Trie(words)
        self._no_subject_after = tuple(relatives["not_subject_after"])
        lists = WordLists(relatives)
        self._speaking, self._children = lists.words("speaking"), frozenset(lists.words("children"))
        self._tells = (*lists.words("tells"), *relatives["cares"])
        self._addressed = re.compile(lists.any_of("addressed") + r"[^，。；;:\n]{0,8}$")
        self._animal_acts = re.compile(
            rf"(?:家|们)?(?:的|养的|家的)?{lists.any_of('animals')}[^，。；;\n]{{0,4}}{lists.any_of('animal_acts')}"
        )
        # what a caller says before naming the sick one: 喂，我爸…; 养老院打来电话：李奶奶…
        call = rf"\s*(?:{lists.any_of('hails')}[，,!！。\s]*){{0,3}}(?:[^，。；;\n]{{0,8}}{lists.any_of('phones')}[说:：，,]*)?"
        self._opening = re.compile(rf"{call}{lists.any_of('opening')}?(?:老|小)?")
        # 85岁老奶奶: an age before the word names the patient
        self._after_age = re.compile(rf"{call}(?:[男女][，,\s]?|一[个位])?(?:\d{{1,3}}|[一二三四五六七八九十]{{1,4}})多?岁的?[老小大]?")
        self._by_surname = re.compile(call + _SURNAME)
        # 俺爹78，…; 房颤大妈，突然…: kinship as it is spoken, or an elder named by an illness, no neighbour of somebody
        self._spoken = lists.words("spoken")
        self._ill_elder = re.compile(rf"(?!.*{lists.any_of('somebody_elses')})[一-鿿]{{2,6}}{lists.any_of('elders')}")
        # 打胰岛素20年的大姐，…: an elder who is described in a clause of their own
        self._described = re.compile(rf"(?!.*{lists.any_of('somebody_elses')})[^，,。；;:\n]{{2,16}}的{lists.any_of('elders')}(?=[，,])")
        # what only a record of the sick one says of them
        self._now = re.compile(rf"[^。；;\n]{{0,16}}{lists.any_of('of_today')}")
        self._old_or_shared = re.compile(rf"[^，。；;\n]{{0,3}}{lists.any_of('old_or_shared')}")
        self._pronoun = re.compile(rf"[，,]\s*{lists.any_of('pronouns')}(?!{lists.any_of('not_pronoun_before')})")
        self._return = re.compile("[，,]\\s*(?:" + "|".join(map(re.escape, relatives["return_to_patient"])) + ")")

    def __call__(self, text: str) -> list[Subject]:
        """The other people's stretches of folded text, in order, without overlap."""
        marks = list(self._words.find(text))
        if any(kind == "pseudo" and text[start:end].endswith(self._speaking) for start, end, kind in marks):
            # 奶奶代诉：孙子…: the child that its elder speaks of is the patient
            marks = [(start, end, "patient" if text[start:end] in self._children else kind) for start, end, kind in marks]
        marks = self._opened_with_the_patient(text, marks)
        if not any(kind in ("family", "other_person") for _, _, kind in marks):
            return []
        found: list[Subject] = []
        position = 0
        for sentence in _SENTENCE.finditer(text):
            while position < len(marks) and marks[position][0] < sentence.start():
                position += 1
            first = position
            while position < len(marks) and marks[position][0] < sentence.end():
                position += 1
            found += self._of_sentence(text, marks[first:position], sentence.end())
        return found

    def _opened_with_the_patient(self, text: str, marks: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        """A record that opens with its patient by kinship (婆婆今早喊不醒，右边手脚动不得) or address (张大妈，68岁): that word means the patient.

        Only where nobody else is named (or only as an object, in a record of today: 不认儿子), the text is more than a remark, and no
        old or shared disease follows.
        """
        if len(marks) > 1 and text[marks[0][0] : marks[0][1]] in self._spoken and marks[0][1] == marks[1][0]:
            # 俺媳妇, 我老公: the pronoun only says whose
            marks = marks[1:]
        if not marks or marks[0][2] in ("pseudo", "patient"):
            return marks
        first = marks[0]
        before, word = text[: first[0]], text[first[0] : first[1]]
        by_age = self._after_age.fullmatch(before) is not None
        now = by_age or self._now.match(text, first[1]) is not None
        aged = _AGED.match(text, first[1]) is not None
        by_name = by_age or (self._by_surname.fullmatch(before) is not None and (now or aged))
        by_name = by_name or (aged and word.startswith(self._spoken) and self._opening.fullmatch(before) is not None)
        by_name = by_name or (now and self._ill_elder.fullmatch(before + word) is not None)
        described = self._described.match(text)
        by_name = by_name or (described is not None and described.end() == first[1])
        if not (by_name or self._opening.fullmatch(before)) or self._old_or_shared.match(text, first[1]) is not None:
            return marks
        others = [mark for mark in marks if text[mark[0] : mark[1]] != word]
        if others and not (now and all(self._is_object(text, mark) for mark in others)):
            return marks
        remark = not by_name and sum("一" <= ch <= "鿿" for ch in text) < (_A_REMARK_OF_NOW if now else _A_REMARK)
        if remark or self._pronoun.search(text, first[1]) is not None:
            return marks
        return [(start, end, "patient") for start, end, _ in marks if text[start:end] == word]

    @staticmethod
    def _is_object(text: str, mark: tuple[int, int, str]) -> bool:
        """Whether a person stands inside a clause (不认儿子) and so begins none of their own."""
        return text[mark[0] - 1] not in "，。；;：:、!！?？\n "

    def _of_sentence(self, text: str, marks: list[tuple[int, int, str]], sentence_end: int) -> list[Subject]:
        found: list[Subject] = []
        current: tuple[int, int, str] | None = None
        for start, end, kind in marks:
            if kind == "pseudo":
                continue
            if kind == "patient":
                if current is not None and not self._is_modifier(text, end):
                    found.append(self._close(text, current, start))
                    current = None
            elif self._is_subject(text, start, end):
                if current is not None:
                    found.append(self._close(text, current, start))
                current = (start, end, kind)
        if current is not None:
            found.append(self._close(text, current, sentence_end))
        return found

    def _is_subject(self, text: str, start: int, end: int) -> bool:
        """Whether a clause about the person begins here: they do not only speak, are spoken to, or own the dog that bit."""
        if text[max(0, start - 2) : start].endswith(self._no_subject_after) or text.startswith(self._tells, end):
            return False
        return self._addressed.search(text, max(0, start - 14), start) is None and self._animal_acts.match(text, end) is None

    def _is_modifier(self, text: str, end: int) -> bool:
        """Whether 患者 and the like stand in an attribute (患者父亲, 患者的母亲): then they return to nobody."""
        after = text[end : end + 1]
        return after == "的"

    def _close(self, text: str, current: tuple[int, int, str], end: int) -> Subject:
        start, cue_end, kind = current
        back = self._return.search(text, cue_end, end)
        grouped = _BLOOD_GROUP.match(text, cue_end, end)
        if grouped:
            # 妈妈O型，皮肤黄到手心: no more is said of her than her group
            return Subject(start, grouped.end() - 1, kind, start, cue_end)
        if kind == "other_person" or text[start:cue_end] in self._children:
            # 丈夫有淋病，她…: a pronoun after a person who is no kin, or a child, is the patient
            pronoun = self._pronoun.search(text, cue_end, end)
            back = pronoun if pronoun and (back is None or pronoun.start() < back.start()) else back
        if text.startswith("家族", start):
            # 否认家族溶血病史，新生儿溶血病可能: the history of the family closes with its 史
            closed = _CLOSED_HISTORY.search(text, cue_end, end)
            back = closed if closed and (back is None or closed.start() < back.start()) else back
        return Subject(start, back.start() if back else end, kind, start, cue_end)


def subject_at(subjects: list[Subject], start: int) -> Subject | None:
    """The stretch that holds a position, if any."""
    for subject in subjects:
        if subject.start <= start < subject.end:
            return subject
        if subject.start > start:
            return None
    return None
