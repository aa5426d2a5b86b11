"""Durations: how long an illness or symptom has lasted, in days. Times of treatment, age and pregnancy are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.reading.lifetimes import LifeTimes, blank
from inference.reading.numbers import parse_chinese

DAYS: dict[str, float] = {
    "年": 365.0, "个月": 30.0, "月": 30.0, "周": 7.0, "星期": 7.0, "礼拜": 7.0, "天": 1.0, "日": 1.0, "小时": 1 / 24, "钟头": 1 / 24,
    "h": 1 / 24, "d": 1.0, "w": 7.0, "分钟": 1 / 1440, "min": 1 / 1440,
}  # fmt: skip
# bounded, and never begun within a longer number: a page of digits is read in linear time
_NUMBER = r"(?:(?<!\d)\d{1,6}(?:\.\d{1,6})?(?:\s?[-~、至到]\s?\d{1,6}(?:\.\d{1,6})?)?\+?|[一二两三四五六七八九十百]{1,8}|半)"
_UNIT = r"(?:年|个?月|周|星期|礼拜|天|日|小时|钟头|分钟|min(?![a-z])|h(?:r|rs)?(?![a-z])|d(?![a-z])|w(?![a-z]))"
_DURATION = re.compile(
    rf"(?P<number>{_NUMBER})\s?(?P<more>余|多|来|几)?\s?(?P<half>个半)?(?P<ge>个(?!半))?\s?(?P<more2>余|多)?(?P<unit>{_UNIT})"
    rf"(?P<tail>半|余|多)?(?:零?(?P<number2>\d{{1,6}}|[一二两三四五六七八九十]{{1,8}})\s?(?P<unit2>个?月|天)(?!前))?(?P<tail2>余|多)?"
)
_DATE = re.compile(
    r"(?:19|20)\d{2}\s?[年.\-/]\s?\d{1,2}(?:\s?[月.\-/]\s?\d{1,2}日?)?|\d{1,2}月\d{1,2}[日号]?|(?:19|20)\d{2}年|\d{1,2}岁(?:半|\d{1,2}个?月)?"
    r"|[男女]婴?[，,、\s]\s?\d{1,2}(?:个?月|天|日|周)(?!前)|\d{1,2}(?:h|小时)(?=尿|动态|心电|蛋白|ph)|(?<=[立卧坐]位)\s?\d{1,2}(?:min|分钟)|q\d{1,2}(?:-\d{1,2})?(?:min|h)"
)


@dataclass(frozen=True, slots=True)
class FoundDuration:
    """A duration in folded text: the place of the time itself, and its days."""

    start: int
    end: int
    days: float


class DurationGrammar:
    """Finds durations; what surrounds a time and makes it something else is data."""

    def __init__(self, table: Mapping[str, Any], lifetimes: LifeTimes) -> None:
        """Take the content of `lexicon/durations.yaml` and the grammar of ages and pregnancies, which are no durations."""
        self._lifetimes = lifetimes
        self._before = tuple(table["before"])
        self._treated = re.compile("(?:" + "|".join(map(re.escape, table["treated"])) + r")[^，,。；;\n]{0,14}$")
        self._after = tuple(table["after"])
        self._past_acts = tuple(table["past_acts"])

    def __call__(self, text: str) -> list[FoundDuration]:
        """The durations of folded text, in order."""
        masked = _DATE.sub(
            lambda match: "\x00" * len(match[0]), blank(text, (*self._lifetimes.infant_ages(text), *self._lifetimes.pregnancy_months(text)))
        )
        found: list[FoundDuration] = []
        for match in _DURATION.finditer(masked):
            days = _days(match)
            if days is None or not self._is_duration(masked, match):
                continue
            found.append(FoundDuration(match.start(), match.end(), days))
        return found

    def _is_duration(self, text: str, match: re.Match[str]) -> bool:
        start, end = match.span()
        before, after = text[max(0, start - 8) : start], text[end : end + 10]
        if before[-1:].isdigit() or before[-1:] in {"/", "第", "每", "\x00", "+", "×", "*"} or after[:1] in {"/", "龄", "\x00"}:
            return False
        if match["number"] == "一" and match["unit"] in ("日", "天") and after[:1] in "次二三":
            return False
        if after.startswith(("前", "之前", "以前")):
            rest = after.lstrip("之以前，,")
            return not rest.startswith(self._past_acts) and not before.endswith("每")
        if after.startswith(self._after):
            return False
        stripped = before.rstrip("约为已近达 :长大概有了过的")
        if stripped.endswith(self._before) and not before.endswith("近来"):
            return False
        return self._treated.search(text, max(0, start - 24), start) is None


def _days(match: re.Match[str]) -> float | None:
    number = _value(match["number"])
    if number is None:
        return None
    unit = match["unit"]
    unit = "h" if unit.startswith("h") else unit
    size = DAYS[unit] if unit in DAYS else DAYS["月"]
    if match["half"]:
        number += 0.5
    if match["more"] == "几" and number >= 10:
        number += 0.0
    days = number * size + (size / 2 if match["tail"] == "半" else 0.0)
    if match["number2"] is not None:
        extra = _value(match["number2"])
        if extra is not None:
            days += extra * DAYS["月" if "月" in match["unit2"] else "天"]
    return round(days, 4)


def _value(token: str) -> float | None:
    if token == "半":
        return 0.5
    token = token.rstrip("+")
    if token[0].isdigit():
        parts = [float(part) for part in re.split(r"\s?[-~、至到]\s?", token)]
        return sum(parts) / len(parts)
    if len(token) == 2 and "十" not in token and "百" not in token:
        pair = [parse_chinese(sign) for sign in token]
        return None if None in pair else (pair[0] + pair[1]) / 2  # type: ignore[operator]
    value = parse_chinese(token)
    return None if value is None else float(value)
