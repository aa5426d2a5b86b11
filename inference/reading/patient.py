"""Sex, age and pregnancy of the patient: from `patient`, and from the text where that lacks them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_contracts.record import Patient
from inference.reading.lifetimes import CHINESE, DAYS, LifeTimes, blank, number
from inference.reading.subjects import Subject
from inference.reading.types import PatientFacts
from knowledge_base.word_lists import WordLists

_YEAR = 365.25
_FERTILE_YEARS = (11, 56)
_MISSED_DAYS = (20, 300)
"""Days without a period that a pregnancy can last."""
_LONGEST_INFANCY = 730
"""Days up to which a bare number with which a record opens can be an age."""
_LEAST_GESTATION = 22
"""Weeks from which a child can be born alive."""


class PatientReader:
    """Reads who the patient is; the words are data."""

    def __init__(self, table: Mapping[str, Any], lifetimes: LifeTimes) -> None:
        """Take the content of `lexicon/patient.yaml` and the grammar of everyday ages and pregnancies."""
        lists = WordLists(table)
        self._lifetimes = lifetimes
        sex = rf"(?:{lists.any_of('male_word')}|{lists.any_of('female_word')}|[mf])"
        self._years = re.compile(
            rf"(?<![\d.])(\d{{1,3}}(?:\.\d)?|[{CHINESE}]{{1,4}})\s?(?:多|余|来|几|\+)?\s?{lists.any_of('years')}"
            rf"(?:零|又)?(?:(半)|(\d{{1,2}}|[{CHINESE}]{{1,2}})\s?个?月(?:龄|大)?)?"
            rf"|(?:^|(?<=[\s，,。；;:]))([{CHINESE}]{{1,2}}十|十)有([一二三四五六七八九])(?=\s?(?:$|[，,。；;\s]))"
            r"|(?<![\d.a-z])(\d{1,3})\s?(?:y/?o|yrs?|years?|y)(?![a-z])"
        )
        self._labelled = re.compile(rf"{lists.any_of('age_heading')}\s?[:为]?\s?(\d{{1,3}})(?!\d|\s?[./天]|\s?个?月)")
        self._after_sex = re.compile(
            rf"(?:^|[\s，,|/:]){sex}\s?[，,、/|\s]\s?(\d{{1,3}})(?=\s?(?:$|[，,、/|\s。；;y]))|(?:^|[\s:，,])(?P<before>\d{{1,3}})\s?(?:yo?\s?)?(?=[mf][\s，,/])"
        )
        self._infant = re.compile(
            rf"(?:(?P<born>{lists.any_of('told_birth')})|{lists.any_of('infant')})[，,、:\s]{{0,2}}{lists.any_of('just')}?(?P<count>\d{{1,3}}(?:\.\d)?|[{CHINESE}]{{1,3}}|半)\+?\s?(?:多|余)?\s?"
            rf"(?P<unit>个月|月|周|个?星期|个?礼拜|天|日|个?小时|个?钟头|h(?![a-z]))(?:龄|大)?(?!前)(?(born)|(?!\s?{lists.any_of('idle_after')}))"
            rf"|(?<![\d.孕狗猫])(?<!狗崽)(?<!猫崽)(?P<count2>\d{{1,3}}|[{CHINESE}]{{1,3}}|半)\s?(?:多)?\s?(?P<unit2>个月|月|周|天|日)(?:龄|大(?!便|小|汗|约|概)|男婴|女婴|婴儿)"
        )
        self._age_heading = re.compile(r"(?:(?P<days>日龄)|月龄)\s?[:为]?\s?(\d{1,2})(?!\d|\s?[./天日周个月])")
        self._addressed = re.compile(rf"^(?:[^，,。；;\n]{{0,4}}?){lists.any_of('elder')}[，,]?\s?(\d{{2}})(?=\s?(?:$|[，,。；;、\s]))")
        # 45天，吃奶少; 主诉：8个月，发热2天: an infant's age with which a record opens, where an infant is told of, a sex or a duration follows
        self._opening = re.compile(
            rf"\s*(?:主诉\s?[:：]?\s?)?(?P<count>\d{{1,3}}|[{CHINESE}]{{1,3}}|半)\s?(?P<unit>个月|月|周|天|日)\s?[，,、\s]\s?"
            rf"(?:(?P<sex>[男女](?![一-鿿]))|(?P<complaint>[^，。；;\n]{{1,10}}?(?:\d{{1,2}}|[{CHINESE}半])\s?(?:天|日|小时|h)))?"
        )
        self._worse = lists.compiled("worse")
        self._infant_told = lists.compiled("infant_told")
        self._newborn = lists.compiled("newborn")
        self._no_age_after = re.compile(rf"\s?{lists.any_of('no_age_after')}")
        self._male, self._female = lists.compiled("male"), lists.compiled("female")
        self._pregnant = lists.compiled("pregnant")
        self._not_pregnant = re.compile(rf"{lists.any_of('not_pregnant')}[^，。；]{{0,4}}$")
        self._missed = re.compile(rf"{lists.any_of('missed_period')}[:约已近]{{0,2}}\s?(\d{{2,3}})\+?\s?[余多]?天")

    def __call__(self, given: Patient, text: str, subjects: Sequence[Subject], gestation: float | None) -> PatientFacts:
        """Patient facts; what is given wins over what the folded text says.

        Args:
            given: `patient` of the record.
            text: folded text of the record (all its sections).
            subjects: stretches about other people, which say nothing of the patient.
            gestation: weeks of pregnancy as measured in the text.
        """
        own = blank(text, subjects)
        carried = self._lifetimes.pregnancy_months(own)
        age = given.age.days if given.age is not None else self._age_days(blank(own, carried))
        weeks = given.pregnancy_weeks if given.pregnancy_weeks is not None else gestation
        newborn = self._newborn.search(own) is not None and not self._lifetimes.is_of_mother(own)
        infant = newborn if age is None else age < 10 * 365
        sex: str = given.sex
        if sex == "unknown":
            sex = self._sex(own)
        pregnant = weeks is not None
        if not pregnant and sex != "male" and not infant:
            months = carried if _may_be_pregnant(age) else []
            pregnant = (
                bool(months)
                or any(self._is_own_pregnancy(own[: match.start()]) for match in self._pregnant.finditer(own))
                or (_may_be_pregnant(age) and self._lifetimes.says_pregnant(own))
            )
            weeks = months[0].length if months else self._missed_weeks(own) if pregnant else None
        if sex == "male" or infant:
            pregnant, weeks = False, given.pregnancy_weeks
        if pregnant and sex == "unknown":
            sex = "female"
        return PatientFacts(sex=sex, age_days=age, pregnancy_weeks=weeks, pregnant=pregnant)

    def _sex(self, text: str) -> str:
        male, female = self._male.search(text), self._female.search(text)
        if male and female:
            return "male" if male.start() < female.start() else "female"
        return "male" if male else "female" if female else "unknown"

    def _is_own_pregnancy(self, before: str) -> bool:
        """Whether what stands before a word of pregnancy leaves it a present one."""
        return self._not_pregnant.search(before[-16:]) is None and not self._lifetimes.is_womb_size(before[-16:])

    def _missed_weeks(self, text: str) -> float | None:
        """The weeks of a pregnancy that is sure, from the days without a period."""
        match = self._missed.search(text)
        days = float(match[1]) if match else 0.0
        return round(days / 7, 1) if _MISSED_DAYS[0] <= days <= _MISSED_DAYS[1] else None

    def _age_days(self, text: str) -> float | None:
        for pattern in (self._years, self._labelled, self._age_heading, self._infant, self._after_sex, self._addressed):
            for match in pattern.finditer(text):
                mothers = pattern is self._infant and not match["born"] and self._lifetimes.is_of_mother(text)
                if mothers or (pattern is self._infant and _is_gestation(match)) or self._no_age_after.match(text, match.end()):
                    continue
                days = self._age_of(pattern, match)
                if days is not None and days <= 125 * _YEAR:
                    return days
            if pattern is self._labelled:
                spoken = next((item for item in self._lifetimes.infant_ages(text) if not self._no_age_after.match(text, item.end)), None)
                if spoken is not None:
                    return spoken.length
        return self._opening_age(text)

    def _opening_age(self, text: str) -> float | None:
        """The age of an infant with which the record opens; a bare duration (3天，发热咳嗽) is none."""
        match = self._opening.match(text)
        if match is None or self._lifetimes.is_of_mother(text):
            return None
        value = number(match["count"])
        days = None if value is None else value * DAYS[match["unit"]]
        if days is None or days > _LONGEST_INFANCY:
            return None
        complaint = match["unit"] == "个月" and match["complaint"] is not None and self._worse.search(match["complaint"]) is None
        return days if match["sex"] or complaint or self._infant_told.search(text) else None

    def _age_of(self, pattern: re.Pattern[str], match: re.Match[str]) -> float | None:
        if pattern is self._infant:
            count, unit = (match["count"], match["unit"]) if match["count"] else (match["count2"], match["unit2"])
            value = number(count)
            return None if value is None else value * DAYS[unit]
        if pattern is self._age_heading:
            return float(match[2]) * DAYS["天" if match["days"] else "月"]
        if pattern is self._years and match[4]:
            token: str | None = match[4] + match[5]
        else:
            token = match[1] or match.groupdict().get("before") or (match[6] if pattern is self._years else None)
        value = None if token is None else number(token)
        if value is None:
            return None
        days = value * _YEAR
        if pattern is self._years:
            days += 182.6 if match[2] else 0.0
            months = number(match[3]) if match[3] else None
            days += (months or 0.0) * DAYS["月"]
        return days


def _is_gestation(match: re.Match[str]) -> bool:
    """Whether the weeks before 男婴 or 女婴 are those at birth (早产35周女婴), not an age."""
    value = number(match["count2"]) if match["count2"] else None
    return value is not None and match["unit2"] == "周" and value >= _LEAST_GESTATION


def _may_be_pregnant(age_days: float | None) -> bool:
    """Whether everyday words of pregnancy can be meant of a patient of this age."""
    return age_days is None or _FERTILE_YEARS[0] <= age_days / _YEAR <= _FERTILE_YEARS[1]
