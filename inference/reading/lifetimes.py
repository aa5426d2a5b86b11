"""Times of life in everyday words: the age of an infant, the months of a pregnancy. Neither is the duration of an illness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from inference.reading.numbers import parse_chinese
from knowledge_base.word_lists import WordLists

CHINESE = "一二三四五六七八九十百两"
_MONTH = 30.4375
DAYS: dict[str, float] = {
    "分钟": 1 / 1440, "小时": 1 / 24, "个小时": 1 / 24, "钟头": 1 / 24, "个钟头": 1 / 24, "h": 1 / 24, "天": 1.0, "日": 1.0, "周": 7.0, "星期": 7.0, "个星期": 7.0, "礼拜": 7.0, "个礼拜": 7.0, "月": _MONTH, "个月": _MONTH, "个半月": _MONTH,
}  # fmt: skip
WEEKS_PER_MONTH = 4.345
_COUNT = rf"(?P<count>\d{{1,3}}(?:\.\d)?|[{CHINESE}]{{1,4}}|半)\+?"
_UNIT_OR_MORE = r"(?P<unit>个半月|(?=个[多余来]月)个|个?月|周|个?星期|个?礼拜|天|日|个?小时|个?钟头|h(?![a-z])|分钟)(?P<more>[多余来]月)?"
_MONTHS = r"(?P<unit>个半月|(?=个[多余来]月)个|个?月)(?P<more>[多余来]月)?"
_DAYS_TOO = rf"(?:[零又]?(?P<days>\d{{1,2}}|[{CHINESE}]{{1,3}})天)?"
_CLOSES = r"(?=\s?(?:$|[，,。；;、)\n]|了|龄|的?(?:男|女)?(?:娃|婴|宝|孩|毛毛)))"
_ENDS = r"(?=\s?(?:$|[，,。；;、)\n]))"
_NOT_AGO = r"(?!\s?(?:之?前|以前))"


class Place(Protocol):
    """Whatever has a start and an end in a text."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LifeTime:
    """A time of life in folded text: the place, and its length (days of an age, weeks of a pregnancy)."""

    start: int
    end: int
    length: float


class LifeTimes:
    """Finds times of life; the words are data."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Take the content of `lexicon/lifetimes.yaml`."""
        lists = WordLists(table)
        child, born, birth = lists.any_of("child"), lists.any_of("born"), lists.any_of("after_birth")
        scarcely = lists.any_of("scarcely") + "{0,5}"
        behind = "|".join(f"(?<={re.escape(word)})" for word in lists.words("child_before"))
        opens = rf"(?:(?<![^，,。；;:\s(])|{behind}){scarcely}"
        not_since = rf"(?!\s?[就便才]|[^。\n]{{0,30}}{lists.any_of('since_then')})"
        idle = rf"(?!\s?{lists.any_of('idle_after')})"
        self._counted = tuple(
            re.compile(pattern)
            for pattern in (
                rf"(?:(?P<child>{lists.any_of('newborn_child')})|{born})[，,、:\s]?{scarcely}{_COUNT}\s?[多余来]?\s?{_UNIT_OR_MORE}{_DAYS_TOO}{_NOT_AGO}{not_since}(?(child){idle})",
                rf"(?:{born}|{birth})的?第{_COUNT}(?P<unit>天|日|周){_CLOSES}",
                rf"{child}{scarcely}生下?了?{_COUNT}(?P<unit>天|日|小时|周){_CLOSES}",
                rf"(?<![^，,。；;:\s(才刚约是个]){_COUNT}\s?(?:{_MONTHS}{_DAYS_TOO}(?:大的?|的)?|(?P<short>周|天|日)(?:大的?|的))(?:小|男|女)?{child}",
                rf"(?<![大小老]){child}{scarcely}{_COUNT}\s?{_MONTHS}{_DAYS_TOO}(?:大|了)?{_ENDS}",
                rf"(?<![^。；;\n:]){child}[，,、\s]{{1,2}}{scarcely}{_COUNT}\s?{_MONTHS}{_DAYS_TOO}大?{_ENDS}",
                rf"{birth}{scarcely}{_COUNT}(?P<unit>分钟|个?小时)(?!后|时)",
                rf"{lists.any_of('age_heading')}\s?[:为]?\s?{_COUNT}\s?(?P<unit>个半月|个?月|周|天|日)(?![\d/日]){_DAYS_TOO}",
            )
        )
        self._named: tuple[tuple[re.Pattern[str], float], ...] = tuple(
            (re.compile(rf"{opens}(?:{'|'.join(row['patterns'])})(?:{_CLOSES}|(?<=[儿大]))"), float(row["days"]))
            for row in (table["ages"] if table.get("enabled", True) else ())
        )
        self._mother = lists.compiled("mother")
        self._fall = re.compile(rf"{lists.any_of('fall')}[^，。；;\n]{{0,10}}$")
        baby, carried = lists.any_of("baby"), lists.any_of("carried")
        carrying = (
            rf"怀(?:起|了|上|着|有|得){{0,3}}(?:{baby}|{carried})了?|怀(?:起|了|上|着|有){{1,3}}|{lists.any_of('carrying')}"
            rf"|肚子?里头?(?:的|有)?(?:个)?{baby}|{lists.any_of('big_belly')}"
        )
        self._months = re.compile(
            rf"(?:{carrying})[，,:\s]?{lists.any_of('nearly')}{{0,5}}\s?"
            rf"(?P<count>\d{{1,2}}(?:\.5)?|[{CHINESE}]{{1,2}})\+?\s?[多余]?\s?(?P<half>个半)?(?:个[多余来]?)?月(?![\d前])(?!之前|以前|经)"
            rf"|有了?(?P<count2>\d{{1,2}}|[{CHINESE}]{{1,2}})个[多余来]?月(?:的)?(?:身孕|身子)"
            rf"|身上有了[，,]?(?P<count3>\d{{1,2}}|[{CHINESE}]{{1,2}})个[多余来]?月"
        )
        self._without_time = re.compile(rf"{lists.any_of('pregnant_without_time')}|怀[着起]{baby}|{lists.any_of('positive_test')}")
        self._womb_size = lists.compiled("womb_size")
        self._lost = re.compile(rf"\+?(?:多|余)?(?:时|的)?[^，。；;\n]{{0,4}}{lists.any_of('lost')}")
        self._not_now = re.compile(rf"{lists.any_of('not_now')}[^，。；;\n]{{0,5}}$")
        self._other_belly = lists.compiled("other_belly")
        self._delivered = lists.compiled("delivered")

    def infant_ages(self, text: str) -> list[LifeTime]:
        """The ages of an infant patient in everyday words, in order; none in the record of a mother or of a fall."""
        if self.is_of_mother(text):
            return []
        found = [
            LifeTime(match.start(), match.end(), days)
            for pattern in self._counted
            for match in pattern.finditer(text)
            if (days := _days(match)) is not None and not self._fall.search(text, max(0, match.start() - 14), match.start())
        ]
        found += [LifeTime(match.start(), match.end(), days) for pattern, days in self._named for match in pattern.finditer(text)]
        return sorted(found, key=lambda item: item.start)

    def is_of_mother(self, text: str) -> bool:
        """Whether a record is that of a woman who has given birth, so that the child's age is not the patient's."""
        return self._mother.search(text) is not None

    def pregnancy_months(self, text: str) -> list[LifeTime]:
        """The months of a present pregnancy, in weeks; not those of one that is over, only hoped for or doubted."""
        found: list[LifeTime] = []
        for match in self._months.finditer(text):
            months = number(match["count"] or match["count2"] or match["count3"])
            if months is None or not 0 < months <= 10 or not self._is_now(text, match):
                continue
            if match[0].startswith(("大", "挺")) and self._other_belly.search(text):
                continue
            months += 0.5 if match["half"] else 0.0
            found.append(LifeTime(match.start(), match.end(), round(months * WEEKS_PER_MONTH, 1)))
        return found

    def says_pregnant(self, text: str) -> bool:
        """Whether everyday words or a test without a time say that the patient is pregnant now."""
        return self._delivered.search(text) is None and any(self._is_now(text, match) for match in self._without_time.finditer(text))

    def is_womb_size(self, before: str) -> bool:
        """Whether what stands before a time of pregnancy makes it the size of a womb."""
        return self._womb_size.search(before) is not None

    def _is_now(self, text: str, match: re.Match[str]) -> bool:
        before = text[max(0, match.start() - 12) : match.start()]
        return self._not_now.search(before) is None and not self.is_womb_size(before) and self._lost.match(text, match.end()) is None


def blank(text: str, places: Iterable[Place]) -> str:
    """The text with some places of it blanked out."""
    for place in places:
        text = text[: place.start] + "\x00" * (place.end - place.start) + text[place.end :]
    return text


def number(token: str) -> float | None:
    """The value of a short numeral in digits or Chinese signs; None where it forms none."""
    if token[0].isdigit():
        return float(token)
    value = 0.5 if token == "半" else parse_chinese(token)
    return None if value is None else float(value)


def _days(match: re.Match[str]) -> float | None:
    count = number(match["count"])
    if count is None:
        return None
    groups = match.groupdict()
    unit = "月" if groups.get("more") else groups["unit"] or groups["short"]
    extra = number(groups["days"]) if groups.get("days") else 0.0
    return (count + (0.5 if unit == "个半月" else 0.0)) * DAYS[unit] + (extra or 0.0)
