"""Whom a stretch of text speaks of: the patient, blood kin, or somebody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.reading.trie import Trie

_SENTENCE = re.compile(r"[^。\n；;！？!?]+")
_SPEAKING = ("代诉", "说", "诉", "述", "发现", "带", "抱", "送", "称")
_TELLS = ("说", "代诉", "诉", "述", "讲", "称", "反映", "回忆", "补充", "发现", "代述", "告诉", "觉得", "担心", "怀疑", "要求")
"""After a relative these only speak, see or ask."""
_ADDRESSED = re.compile(r"(?:告知|告诉|交代|交待|说明|沟通|嘱|通知|征得|取得|建议|解释|劝|教育)[^，。；;:\n]{0,8}$")
"""Before a relative: the words are said to them, not of them."""
_ANIMAL_ACTS = re.compile(
    r"(?:家|们)?(?:的|养的|家的)?(?:狗|犬|猫|老鼠|牛|猪|驴|马|羊|鹅|鸡|蜂|蛇)[^，。；;\n]{0,4}(?:咬|抓|舔|挠|踢|啄|撞|顶|蛰|蜇|刺)"
)
"""邻居家的狗咬伤左腿: the owner is no subject."""
_A_REMARK = 14
_A_REMARK_OF_NOW = 9
_CALL = r"(?:(?:喂|你好|您好|大夫|医生|护士|师傅|救命|快来人)[啊呀吗哪呐]?[，,!！。\s]*){0,3}(?:[^，。；;\n]{0,8}(?:打来电话|来电话|来电)[说:：，,]*)?"
"""What a caller says before naming the sick one (喂，我爸…; 养老院打来电话：李奶奶…)."""
_OPENING = re.compile(rf"\s*{_CALL}(?:我|俺|我家|俺家|家里|咱|我们)?(?:老|小)?")
_AFTER_AGE = re.compile(rf"\s*{_CALL}(?:[男女][，,\s]?)?(?:\d{{1,3}}|[一二三四五六七八九十]{{1,4}})多?岁的?(?:老|小)?")
"""85岁老奶奶: an age before the word names the patient."""
_BY_SURNAME = re.compile(rf"\s*{_CALL}[一-鿿](?<![其他她我你您咱俺患病])[大老小]?")
_AGED = re.compile(r"\s?[，,]?\s?(?:[男女][，,\s]{1,2})?\d{1,3}\s?岁")
"""张大妈，68岁: a surname, an address and an age name the patient."""
_NOW = re.compile(
    r"[^。；;\n]{0,16}(?:今早|今晨|今天|今日|昨晚|昨夜|夜里|刚|突然|忽然|一下子|这两天|这几天|第[一二三四五六七八九十\d]天|小时|钟头)"
)
"""What only a record of the sick one says of them."""
_OLD_OR_SHARED = re.compile(r"(?:[^，。；;\n]{0,3})(?:患|有|曾|死于|因|也|均|都|同样|近日|体健|健在|去世|病史|确诊|得过|查出)")
_CHILDREN = frozenset({"儿子", "女儿", "孙子", "孙女", "外孙", "外孙女", "长子", "次子", "长女", "次女", "其子", "其女"})


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
        self._tells = (*_TELLS, *relatives["cares"])
        self._pronoun = re.compile("[，,]\\s*(?:她|他|自己|还)(?!们|的|妈|爸|奶|爷|姐|哥|弟|妹|也|父|母)")
        self._return = re.compile("[，,]\\s*(?:" + "|".join(map(re.escape, relatives["return_to_patient"])) + ")")

    def __call__(self, text: str) -> list[Subject]:
        """The other people's stretches of folded text, in order, without overlap."""
        marks = list(self._words.find(text))
        if any(kind == "pseudo" and text[start:end].endswith(_SPEAKING) for start, end, kind in marks):
            # 奶奶代诉：孙子…: the child that its elder speaks of is the patient
            marks = [(start, end, "patient" if text[start:end] in _CHILDREN else kind) for start, end, kind in marks]
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
        if not marks or marks[0][2] in ("pseudo", "patient"):
            return marks
        first = marks[0]
        before, word = text[: first[0]], text[first[0] : first[1]]
        by_age = _AFTER_AGE.fullmatch(before) is not None
        now = by_age or _NOW.match(text, first[1]) is not None
        by_name = by_age or (_BY_SURNAME.fullmatch(before) is not None and (now or _AGED.match(text, first[1]) is not None))
        if not (by_name or _OPENING.fullmatch(before)) or _OLD_OR_SHARED.match(text, first[1]) is not None:
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
        return _ADDRESSED.search(text, max(0, start - 14), start) is None and _ANIMAL_ACTS.match(text, end) is None

    def _is_modifier(self, text: str, end: int) -> bool:
        """Whether 患者 and the like stand in an attribute (患者父亲, 患者的母亲): then they return to nobody."""
        after = text[end : end + 1]
        return after == "的"

    def _close(self, text: str, current: tuple[int, int, str], end: int) -> Subject:
        start, cue_end, kind = current
        back = self._return.search(text, cue_end, end)
        if kind == "other_person" or text[start:cue_end] in _CHILDREN:
            # 丈夫有淋病，她…: a pronoun after a person who is no kin, or a child, is the patient
            pronoun = self._pronoun.search(text, cue_end, end)
            back = pronoun if pronoun and (back is None or pronoun.start() < back.start()) else back
        return Subject(start, back.start() if back else end, kind, start, cue_end)


def subject_at(subjects: list[Subject], start: int) -> Subject | None:
    """The stretch that holds a position, if any."""
    for subject in subjects:
        if subject.start <= start < subject.end:
            return subject
        if subject.start > start:
            return None
    return None
