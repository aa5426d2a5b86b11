"""Sex, age and pregnancy of the patient: from `patient`, and from the text where that lacks them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data_contracts.record import Patient
from inference.reading.lifetimes import CHINESE as _CHINESE
from inference.reading.lifetimes import DAYS as _DAYS
from inference.reading.lifetimes import SIZE_OF_WOMB, blank, infant_ages, is_of_mother, number, pregnancy_months, says_pregnant
from inference.reading.subjects import Subject
from inference.reading.types import PatientFacts

_YEARS = re.compile(
    rf"(?<![\d.])(\d{{1,3}}(?:\.\d)?|[{_CHINESE}]{{1,4}})\s?(?:多|余|来|几)?\s?(?:周岁|岁)(?:零|又)?(?:(半)|(\d{{1,2}}|[{_CHINESE}]{{1,2}})\s?个?月(?:龄|大)?)?"
)
_LABELLED = re.compile(r"(?:年龄|age)\s?[:为]?\s?(\d{1,3})(?!\d|\s?[./月天])")
_AFTER_SEX = re.compile(
    r"(?:^|[\s，,|/:])(?:男性?|女性?|[mf])\s?[，,、/|\s]\s?(\d{1,3})(?=\s?(?:$|[，,、/|\s。；;y]))|(?:^|[\s:，,])(?P<before>\d{1,3})\s?(?:yo?\s?)?(?=[mf][\s，,/])"
)
_INFANT = re.compile(
    rf"(?:(?P<born>(?<![花发])生后|出生后?|日龄|月龄|新生儿)|患儿|患婴|婴儿|宝宝|小孩|孩子|娃儿?|男婴|女婴|男|女)[，,、:\s]{{0,2}}(?:刚|才|现|已|今年)?(?P<count>\d{{1,3}}(?:\.\d)?|[{_CHINESE}]{{1,3}}|半)\s?(?:多|余)?\s?(?P<unit>个月|月|周|个?星期|个?礼拜|天|日|个?小时)(?:龄|大)?(?!前)(?(born)|(?!\s?[没未来里都]))"
    rf"|(?<![\d.孕狗猫])(?<!狗崽)(?<!猫崽)(?P<count2>\d{{1,3}}|[{_CHINESE}]{{1,3}}|半)\s?(?:多)?\s?(?P<unit2>个月|月|周|天|日)(?:龄|大(?!便|小|汗|约|概)|男婴|女婴|婴儿)"
)
_NO_AGE_AFTER = re.compile(r"\s?(?:时|前|开始|初潮|起病|发病|起|绝经|结婚|那年|后|以|月经|患|得|曾|之前|丧|去世|死|病故|病逝)")
_MALE = re.compile(
    r"(?:^|[\s，,。；;|/:(])(?:患者)?(?:老年|中年|青年|成年)?男(?:性|孩|童|婴|，|,|\s|、|/|$|\d)|性别\s?[:为]?\s?男|患者[，,]?\s?男|男患|患儿[，,]?\s?男|老大爷|大爷|老汉|老头|前列腺|阴囊|睾丸|包皮|阴茎|精索|遗精|(?:^|[，,。\s])男$|(?:^|[\s:，,])\d{1,3}\s?(?:yo?\s?)?m(?=[\s，,/])|\d岁(?:男|的?男孩)|小伙|爷爷(?=\d)"
)
_FEMALE = re.compile(
    r"(?:^|[\s:，,])\d{1,3}\s?(?:yo?\s?)?f(?=[\s，,/])|(?:^|[\s，,。；;|/:(])(?:患者)?(?:老年|中年|青年|成年)?女(?:性|孩|童|婴|，|,|\s|、|/|$|\d)|性别\s?[:为]?\s?女|患者[，,]?\s?女|女患|患儿[，,]?\s?女|老奶|大娘|大妈|老太|孕妇|产妇|月经|停经|绝经|末次月经|宫颈|子宫|阴道|白带|妊娠|怀孕|孕\d|产后|哺乳期|卵巢|附件区|妇科|乳腺癌术后|\d岁(?:女|的?女孩)|姑娘|妇女|剖宫产|剖腹产|g\dp\d|lmp"
)
_PREGNANT = re.compile(
    r"(?:孕妇|早孕|中孕|晚孕|孕期(?=中|第)|现孕|宫内孕|妊娠(?=\d|[一二三四五六七八九十]|状态|中|早期|中期|晚期|合并|期(?!糖|高))|怀孕(?=\d|[一二三四五六七八九十]|了|中)|孕(?=\s?\d{1,2}\s?(?:周|\+|个?月|w))|胎动|胎心)"
)
_NOT_PREGNANT = re.compile(r"(?:未|不|否认|无|非|排除|曾|前次|上次|年前|产后|流产后|备|想|计划|准备|避|宫外|异位|既往|末次)[^，。；]{0,4}$")
_FERTILE_YEARS = (11, 56)


def read_patient(given: Patient, text: str, subjects: Sequence[Subject], gestation: float | None) -> PatientFacts:
    """Patient facts; what is given wins over what the folded text says.

    Args:
        given: `patient` of the record.
        text: folded text of the record (all its sections).
        subjects: stretches about other people, which say nothing of the patient.
        gestation: weeks of pregnancy as measured in the text.
    """
    own = blank(text, subjects)
    carried = pregnancy_months(own)
    age = given.age.days if given.age is not None else _age_days(blank(own, carried))
    weeks = given.pregnancy_weeks if given.pregnancy_weeks is not None else gestation
    infant = age is not None and age < 10 * 365
    sex: str = given.sex
    if sex == "unknown":
        sex = _sex(own)
    pregnant = weeks is not None
    if not pregnant and sex != "male" and not infant:
        months = carried if _may_be_pregnant(age) else []
        pregnant = (
            bool(months)
            or any(_is_own_pregnancy(own[: match.start()]) for match in _PREGNANT.finditer(own))
            or (_may_be_pregnant(age) and says_pregnant(own))
        )
        weeks = months[0].length if months else None
    if sex == "male" or infant:
        pregnant, weeks = False, given.pregnancy_weeks
    if pregnant and sex == "unknown":
        sex = "female"
    return PatientFacts(sex=sex, age_days=age, pregnancy_weeks=weeks, pregnant=pregnant)


def _sex(text: str) -> str:
    male, female = _MALE.search(text), _FEMALE.search(text)
    if male and female:
        return "male" if male.start() < female.start() else "female"
    return "male" if male else "female" if female else "unknown"


def _is_own_pregnancy(before: str) -> bool:
    """Whether what stands before a word of pregnancy leaves it a present one."""
    return _NOT_PREGNANT.search(before) is None and SIZE_OF_WOMB.search(before) is None


def _may_be_pregnant(age_days: float | None) -> bool:
    """Whether everyday words of pregnancy can be meant of a patient of this age."""
    return age_days is None or _FERTILE_YEARS[0] <= age_days / 365.25 <= _FERTILE_YEARS[1]


def _age_days(text: str) -> float | None:
    for pattern in (_YEARS, _LABELLED, _INFANT, _AFTER_SEX):
        for match in pattern.finditer(text):
            if _NO_AGE_AFTER.match(text, match.end()) or (pattern is _INFANT and not match["born"] and is_of_mother(text)):
                continue
            days = _age_of(pattern, match)
            if days is not None and days <= 125 * 365.25:
                return days
        if pattern is _LABELLED:
            spoken = next((item for item in infant_ages(text) if not _NO_AGE_AFTER.match(text, item.end)), None)
            if spoken is not None:
                return spoken.length
    return None


def _age_of(pattern: re.Pattern[str], match: re.Match[str]) -> float | None:
    if pattern is _INFANT:
        count, unit = (match["count"], match["unit"]) if match["count"] else (match["count2"], match["unit2"])
        value = number(count)
        return None if value is None else value * _DAYS[unit]
    token = match[1] or match.groupdict().get("before")
    value = None if token is None else number(token)
    if value is None:
        return None
    days = value * 365.25
    if pattern is _YEARS:
        days += 182.6 if match[2] else 0.0
        months = number(match[3]) if match[3] else None
        days += (months or 0.0) * _DAYS["月"]
    return days
