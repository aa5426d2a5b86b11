"""Times of life in everyday words: the age of an infant, the months of a pregnancy. Neither is the duration of an illness."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from inference.reading.numbers import parse_chinese

CHINESE = "一二三四五六七八九十百两"
_MONTH = 30.4375
DAYS: dict[str, float] = {
    "分钟": 1 / 1440, "小时": 1 / 24, "个小时": 1 / 24, "天": 1.0, "日": 1.0, "周": 7.0, "星期": 7.0, "个星期": 7.0, "礼拜": 7.0, "个礼拜": 7.0, "月": _MONTH, "个月": _MONTH, "个半月": _MONTH,
}  # fmt: skip
WEEKS_PER_MONTH = 4.345
_COUNT = rf"(?P<count>\d{{1,3}}(?:\.\d)?|[{CHINESE}]{{1,4}}|半)"
_CHILD = r"(?:月?毛毛|月毛|月里?娃娃?|奶娃娃?|月子娃|娃娃|娃儿?|宝宝|婴儿|[男女]婴|小孩|孩子|(?<![狗猫猪牛羊])崽崽?|伢儿?|囡囡)"
_SCARCELY = r"(?:才|刚|现在|现|已经|已|今年|今天|昨天|前天|将近|快|差不多|有|满|都|了|约|大约|大概){0,5}"
_OPENS = rf"(?:(?<![^，,。；;:\s(])|(?<=娃)|(?<=娃儿)|(?<=毛毛)|(?<=宝宝)|(?<=孩子)|(?<=小孩)|(?<=婴儿)|(?<=[男女]婴)|(?<=患儿)){_SCARCELY}"
_CLOSES = r"(?=\s?(?:$|[，,。；;、)\n]|了|龄|的?(?:男|女)?(?:娃|婴|宝|孩|毛毛)))"
_UNIT_OR_MORE = r"(?P<unit>个半月|(?=个[多余]月)个|个?月|周|个?星期|个?礼拜|天|日|个?小时|分钟)(?P<more>[多余]月)?"
_DAYS_TOO = rf"(?P<days>\d{{1,2}}|[{CHINESE}]{{1,3}})天"
_IDLE = r"(?!\s?[没未来里都])"
"""娃三天没拉: a time after a child word that is no age."""
_NOT_SINCE = r"(?!\s?[就便才]|[^。\n]{0,30}(?:从此|后来|以后|到现在|至今|一直|走了|没了|死|夭折))"
"""生下来两天没拉，从此…: the age at which something began."""
_NOT_AGO = r"(?!\s?(?:之?前|以前))"
_BORN = r"(?:生下来|生下|生出来|降生|出世|(?<![摔跌坠着倒])落地|落草)"
_COUNTED = (
    re.compile(
        rf"(?:(?P<child>月毛毛?|月里?娃娃?|月子娃|奶娃娃?|毛毛)|{_BORN})[，,、:\s]?{_SCARCELY}{_COUNT}\s?[多余来]?\s?{_UNIT_OR_MORE}(?:[零又]{_DAYS_TOO})?{_NOT_AGO}{_NOT_SINCE}(?(child){_IDLE})"
    ),
    re.compile(rf"(?:{_BORN}|出生后?|(?<![花发])生后)的?第{_COUNT}(?P<unit>天|日|周){_CLOSES}"),
    re.compile(rf"{_CHILD}{_SCARCELY}生下?了?{_COUNT}(?P<unit>天|日|小时|周){_CLOSES}"),
    re.compile(
        rf"(?<![^，,。；;:\s(才刚约是个]){_COUNT}\s?(?:(?P<unit>个半月|(?=个[多余]月)个|个?月)(?P<more>[多余]月)?(?:[零又]?{_DAYS_TOO})?(?:大的?|的)?|(?P<short>周|天|日)(?:大的?|的))(?:小|男|女)?{_CHILD}"
    ),
    re.compile(
        rf"(?<![大小老]){_CHILD}{_SCARCELY}{_COUNT}\s?(?P<unit>个半月|(?=个[多余]月)个|个?月)(?P<more>[多余]月)?(?:大|了)?(?=\s?(?:$|[，,。；;、)\n]))"
    ),
    re.compile(rf"(?:出生后?|(?<![花发])生后){_SCARCELY}{_COUNT}(?P<unit>分钟|个?小时)(?!后|时)"),
)
"""Forms with a number."""
_NAMED: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile(rf"{_OPENS}双满月{_CLOSES}"), 2 * _MONTH),
    (re.compile(rf"{_OPENS}(?<![后病药院产])(?:出)?满月(?:儿(?!童)|{_CLOSES}|(?=[，,]))"), _MONTH),
    (re.compile(rf"{_OPENS}一?百[日天](?:大|{_CLOSES}|(?=婴))"), 100.0),
    (re.compile(rf"{_OPENS}(?<=满)周岁{_CLOSES}"), 365.25),
    (re.compile(rf"{_OPENS}半岁(?:多|大)?{_CLOSES}"), 182.6),
)
"""Forms that are a number by themselves."""
_MOTHER = re.compile(
    r"产后|(?:剖宫产|剖腹产|分娩)术?后|坐月子|恶露|产妇|乳房胀|胀奶|奶水|下奶|哺乳期|生[完了]?(?:孩子|小孩|娃)|给(?:孩子|娃|宝宝)喂奶"
)
"""The record of a mother speaks of her child's age."""
_FALL = re.compile(r"(?:从|摔|跌|坠|高处|楼|梯|树|墙|飞机)[^，。；;\n]{0,10}$")
_BABY = r"(?:娃娃|娃儿?|毛毛|孩子|小孩|宝宝|胎儿|崽崽?|伢儿?)"
_CARRYING = (
    rf"怀孕了?|怀胎|怀(?:起|了|上|着|有|得){{0,3}}(?:{_BABY}|身孕|身子|双胞?胎|[头一二三两]胎|第[一二三四]胎)了?|怀(?:起|了|上|着|有){{1,3}}|妊娠|孕"
    r"|有了?(?:身孕|喜|身子)了?|身孕|身上有了|双身子"
    rf"|肚子?里头?(?:的|有)?(?:个)?{_BABY}|(?<![^，,。；;:\s已挺岁女])(?:挺|大)[起着了]?(?:个|的)?大?肚子"
)
_PREGNANT_MONTHS = re.compile(
    rf"(?:{_CARRYING})[，,:\s]?(?:已经|已|快要?|将近|接近|近|差不多|大概|大约|约|起码|至少|才|刚|有|都|满|到|了){{0,5}}\s?"
    rf"(?P<count>\d{{1,2}}(?:\.5)?|[{CHINESE}]{{1,2}})\s?[多余]?\s?(?P<half>个半)?(?:个[多余]?)?月(?![\d前])(?!之前|以前|经)"
    rf"|有了?(?P<count2>\d{{1,2}}|[{CHINESE}]{{1,2}})个[多余]?月(?:的)?(?:身孕|身子)"
)
_PREGNANT_WORDS = re.compile(
    rf"怀身大肚|挺[着起]个?大肚子|大[着起]肚子|有了?身孕|有喜了|双身子|怀\S{{0,5}}足月|怀[起上]了(?!\S{{0,6}}(?:病|心|恨))|怀[着起]{_BABY}|(?<!母)孕(?:早|中|晚)期"
)
SIZE_OF_WOMB = re.compile(r"(?:子宫|宫体)(?:增大|大小|大|约)*(?:如|似|像)?\s?$|(?:如|似|像)\s?$")
"""子宫如孕4月大: a size and no pregnancy."""
_LOST = re.compile(r"\+?(?:多|余)?(?:时|的)?[^，。；;\n]{0,4}(?:没保住|流产|流掉|小产|引产|掉了|没了|早产|胎停|做掉|打掉)")
_NEVER_NOW = re.compile(
    r"(?:未|不|没|否认|无|非|排除|曾|上次|前次|上胎|上一胎|头胎时|去年|前年|那年|年前|以前|既往|末次|备|想|计划|准备|避|怀疑|可疑|疑似|若|如果|产后)[^，。；;\n]{0,5}$"
)
_OTHER_BELLY = re.compile(r"腹水|肝硬化|肝病|血吸虫|便秘|肥胖|减肥|男性|男[，,、\s]|大爷|老汉|老头")
_DELIVERED = re.compile(r"产后|(?:剖宫产|剖腹产|分娩|顺产|流产|引产)术?后|恶露|坐月子")


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


def infant_ages(text: str) -> list[LifeTime]:
    """The ages of an infant patient in everyday words, in order; none in the record of a mother or of a fall."""
    if is_of_mother(text):
        return []
    found = [
        LifeTime(match.start(), match.end(), days)
        for pattern in _COUNTED
        for match in pattern.finditer(text)
        if (days := _days(match)) is not None and not _FALL.search(text, max(0, match.start() - 14), match.start())
    ]
    found += [LifeTime(match.start(), match.end(), days) for pattern, days in _NAMED for match in pattern.finditer(text)]
    return sorted(found, key=lambda item: item.start)


def is_of_mother(text: str) -> bool:
    """Whether a record is that of a woman who has given birth, so that the child's age is not the patient's."""
    return _MOTHER.search(text) is not None


def pregnancy_months(text: str) -> list[LifeTime]:
    """The months of a present pregnancy, in weeks; not those of one that is over, only hoped for or doubted."""
    found: list[LifeTime] = []
    for match in _PREGNANT_MONTHS.finditer(text):
        months = number(match["count"] or match["count2"])
        if months is None or not 0 < months <= 10 or not _is_now(text, match):
            continue
        if match[0].startswith(("大", "挺")) and _OTHER_BELLY.search(text):
            continue
        months += 0.5 if match["half"] else 0.0
        found.append(LifeTime(match.start(), match.end(), round(months * WEEKS_PER_MONTH, 1)))
    return found


def says_pregnant(text: str) -> bool:
    """Whether everyday words without a time say that the patient is pregnant now."""
    return _DELIVERED.search(text) is None and any(_is_now(text, match) for match in _PREGNANT_WORDS.finditer(text))


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


def _is_now(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 12) : match.start()]
    return _NEVER_NOW.search(before) is None and SIZE_OF_WOMB.search(before) is None and _LOST.match(text, match.end()) is None


def _days(match: re.Match[str]) -> float | None:
    count = number(match["count"])
    if count is None:
        return None
    groups = match.groupdict()
    unit = "月" if groups.get("more") else groups["unit"] or groups["short"]
    extra = number(groups["days"]) if groups.get("days") else 0.0
    return (count + (0.5 if unit == "个半月" else 0.0)) * DAYS[unit] + (extra or 0.0)
