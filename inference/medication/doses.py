"""Doses and frequencies as doctors write them, and how they compare with an entry's usual range."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UNITS = {
    "g": ("mg", 1000.0),
    "克": ("mg", 1000.0),
    "mg": ("mg", 1.0),
    "毫克": ("mg", 1.0),
    "ug": ("mg", 0.001),
    "μg": ("mg", 0.001),
    "µg": ("mg", 0.001),
    "mcg": ("mg", 0.001),
    "微克": ("mg", 0.001),
    "ml": ("ml", 1.0),
    "毫升": ("ml", 1.0),
    "iu": ("iu", 1.0),
    "u": ("iu", 1.0),
    "单位": ("iu", 1.0),
    "万u": ("iu", 10_000.0),
    "万单位": ("iu", 10_000.0),
    "万iu": ("iu", 10_000.0),
}
_UNIT = r"(万单位|万iu|万u|单位|毫克|微克|毫升|克|mcg|mg|ug|μg|µg|ml|iu|g|u)(?![a-z])"
_DOSE = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}", re.IGNORECASE)
_PIECES = r"([一二两三四五六]|半|\d+(?:\.\d+)?)\s*(?:片|粒|袋|支|瓶|丸|包|颗|枚|板|喷|揿|吸|s\b)"
_PIECE = re.compile(_PIECES)
PIECE = "片/粒/袋"
"""The unit of a range in pieces."""
_TIMES_PIECES = re.compile(rf"{_UNIT}\s*(?:/[片粒袋支瓶包丸])?\s*[)）]?\s*[*×xX,，]?\s*{_PIECES}", re.IGNORECASE)
_PIECES_TIMES = re.compile(rf"{_PIECES}\s*[(（*×xX,，]\s*(?:每[片粒袋支瓶包丸])?\s*\d+(?:\.\d+)?\s*{_UNIT}", re.IGNORECASE)
_BARE_TIMES = re.compile(rf"{_UNIT}\s*[*×xX]\s*(\d+(?:\.\d+)?)\s*$", re.IGNORECASE)
_TIMES = {
    "qd": 1,
    "qn": 1,
    "qm": 1,
    "qam": 1,
    "qpm": 1,
    "hs": 1,
    "od": 1,
    "bid": 2,
    "bd": 2,
    "tid": 3,
    "qid": 4,
    "qod": 0.5,
    "qw": 1 / 7,
    "biw": 2 / 7,
    "tiw": 3 / 7,
    "st": 1,
    "once": 1,
    "顿服": 1,
    "立即": 1,
    "隔日": 0.5,
    "隔天": 0.5,
    "每晚": 1,
    "睡前": 1,
    "晨起": 1,
    "每早": 1,
    "早晚": 2,
    "早中晚": 3,
}
_NUMBER = r"(十二|二十四|[一二两三四五六七八九十]|\d{1,2})"
_EVERY = re.compile(rf"(?:q|每隔?)\s*{_NUMBER}\s*(?:h|小时|个小时)")
_DAILY = re.compile(rf"(?:每日|每天|一日|1日|一天|1天|(?<!隔)日|(?<!隔)天)\s*{_NUMBER}\s*次|{_NUMBER}\s*次?\s*/\s*(?:日|天|d)")
_WEEKLY = re.compile(rf"(?:每周|一周|1周|每星期)\s*{_NUMBER}\s*次|{_NUMBER}\s*次\s*/\s*(?:周|w)|每周")
_CHINESE = {
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
    "十二": 12,
    "二十四": 24,
    "半": 0.5,
}


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in milligrams, millilitres or units."""

    value: float
    unit: str


def _count(said: str) -> float:
    return float(_CHINESE[said]) if said in _CHINESE else float(said)


def parse_dose(text: str | None) -> Amount | None:
    """`0.5g`, `500mg`, `25 毫克`, `80万U`, `0.5g×2片`, `2片(0.25g/片)`; None where no amount with a unit is written (片, 粒)."""
    plain = unicodedata.normalize("NFKC", text or "")
    match = _DOSE.search(plain)
    if match is None:
        return None
    unit, factor = _UNITS[match[2].lower()]
    pieces = 1.0
    after, before, bare = _TIMES_PIECES.search(plain), _PIECES_TIMES.search(plain), _BARE_TIMES.search(plain)
    if after is not None:
        pieces = _count(after[2])
    elif before is not None:
        pieces = _count(before[1])
    elif bare is not None:
        pieces = float(bare[2])
    return Amount(float(match[1]) * factor * pieces, unit)


def parse_pieces(text: str | None) -> Amount | None:
    """`1片`, `2粒`, `半袋` as a number of pieces, for combinations whose strength is fixed."""
    match = _PIECE.search(unicodedata.normalize("NFKC", text or ""))
    return Amount(_count(match[1]), PIECE) if match else None


def times_a_day(text: str | None) -> float | None:
    """`tid`, `q8h`, `每日3次`, `一天两次`, `每6小时一次`, `每晚一次`, `每周1次`; None where it can't be told (必要时)."""
    plain = unicodedata.normalize("NFKC", text or "").lower().strip().replace(".", "")
    if plain in _TIMES:
        return float(_TIMES[plain])
    every = _EVERY.search(plain)
    if every and _count(every[1]) > 0:
        return 24 / _count(every[1])
    daily = _DAILY.search(plain)
    if daily:
        return _count(daily[1] or daily[2])
    weekly = _WEEKLY.search(plain)
    if weekly:
        return _count(weekly[1] or weekly[2] or "1") / 7
    for word, times in sorted(_TIMES.items(), key=lambda item: -len(item[0])):
        if (word in plain) if not word.isascii() else re.search(rf"(?<![a-z]){word}(?![a-z])", plain):
            return float(times)
    return None


@dataclass(frozen=True, slots=True)
class DoseDoubt:
    """How a dose differs from the usual range."""

    severity: str
    message: str


_ROUTES = {
    "口服": "po",
    "po": "po",
    "静滴": "iv",
    "静脉滴注": "iv",
    "静脉": "iv",
    "ivgtt": "iv",
    "ivdrip": "iv",
    "vd": "iv",
    "iv": "iv",
    "静注": "iv",
    "静推": "iv",
    "ivp": "iv",
    "肌注": "im",
    "肌肉注射": "im",
    "im": "im",
    "皮下": "sc",
    "皮下注射": "sc",
    "sc": "sc",
    "ih": "sc",
    "h": "sc",
    "外用": "ext",
    "局部": "ext",
    "吸入": "inh",
    "雾化": "inh",
    "雾化吸入": "inh",
    "舌下": "sl",
    "含服": "sl",
    "阴道给药": "vag",
    "纳肛": "pr",
    "直肠": "pr",
    "滴眼": "eye",
    "滴鼻": "nas",
    "喷鼻": "nas",
    "滴耳": "ear",
}
_INJECTED = ("iv", "im", "sc")
SEVERE = 2.95
"""A dose this many times the usual is taken for a slip of the decimal point or of the unit."""


def route_of(text: str | None) -> str:
    """The route of an order; one that is not written is taken for oral, one that is unknown for itself."""
    plain = unicodedata.normalize("NFKC", text or "po").lower().strip().replace(".", "").replace(" ", "")
    return _ROUTES.get(plain, plain)


def ways_of(text: str | None) -> frozenset[str]:
    """What a route may be called in a rule: 静推 is `push` and `iv`, 静滴 is `drip` and `iv`, a bare iv only `iv`."""
    plain = unicodedata.normalize("NFKC", text or "").lower().replace(" ", "")
    way = route_of(text)
    if way != "iv":
        return frozenset({way})
    if re.search(r"推|静注|ivp", plain):
        return frozenset({"iv", "push"})
    return frozenset({"iv", "drip"}) if re.search(r"滴|gtt|drip|vd", plain) else frozenset({"iv"})


def row_for(doses: Sequence[Mapping[str, Any]], route: str) -> Mapping[str, Any] | None:
    """The range for a route; where only one way of injection is described it stands for the others."""
    wanted = [route, *(r for r in _INJECTED if route in _INJECTED and r != route)]
    return next((row for way in wanted for row in doses if row["route"] == way), None)


def usual_weight(years: float) -> float:
    """Weight in kilograms of a child of this age, by the common rule of thumb, where none is written."""
    if years < 1:
        months = years * 12
        return 3.3 + 0.7 * months if months <= 6 else 6.0 + 0.25 * months
    return 2 * years + 8 if years < 7 else 3 * years + 2


def doubt_of(
    name: str,
    row: Mapping[str, Any] | None,
    dose: str | None,
    frequency: str | None,
    *,
    age_years: float | None,
    weight: float | None,
) -> DoseDoubt | None:
    """A doubt where the written dose lies well outside the range; silent where nothing can be compared."""
    if row is None:
        return None
    amount = parse_pieces(dose) if row["unit"] == PIECE else parse_dose(dose)
    if amount is None:
        return None
    unit, factor = _UNITS.get(str(row["unit"]).lower(), (str(row["unit"]).lower(), 1.0))
    if unit != amount.unit:
        return None
    times = times_a_day(frequency)
    daily = amount.value * times if times is not None else None
    weekly = row.get("weekly_max")
    if weekly is not None and daily is not None and daily * 7 > weekly * factor * 1.01:
        return DoseDoubt("serious", f"{name}应每周一次、每周不超过 {_shown(weekly * factor, unit)}；现按每日开具，请核对，每日服用可致命。")
    if age_years is not None and age_years < 12 and (row.get("per_kg_daily") or row.get("child_daily_max")):
        return _child(name, row, factor, amount, daily, weight, age_years)
    return _adult(name, row, factor, amount, daily)


def _shown(value: float, unit: str) -> str:
    """Small amounts in micrograms, large ones in grams, as a doctor writes them."""
    if unit == "mg" and value < 0.1:
        return f"{value * 1000:g} µg"
    if unit == "mg" and value >= 1000:
        return f"{value / 1000:g} g"
    if unit == "iu" and value >= 10_000:
        return f"{value / 10_000:g} 万单位"
    return f"{value:g} {unit if unit != 'iu' else '单位'}"


def _adult(name: str, row: Mapping[str, Any], factor: float, amount: Amount, daily: float | None) -> DoseDoubt | None:
    highest = row.get("daily_max") or (row["daily"][1] if row.get("daily") else None)
    single = row["single"][1] * factor if row.get("single") else None
    unit = amount.unit
    if single is not None and amount.value > single * SEVERE:
        return DoseDoubt(
            "serious",
            f"{name}单次 {_shown(amount.value, unit)}，为通常最大量 {_shown(single, unit)} 的 {amount.value / single:.0f} 倍；请核对单位与小数点。",
        )
    if daily is not None and highest is not None and daily > highest * factor * 1.01:
        severe = daily > highest * factor * 1.99
        return DoseDoubt(
            "serious" if severe else "caution",
            f"{name}每日 {_shown(daily, unit)}，超过通常的每日 {_shown(highest * factor, unit)}；请核对剂量与次数。",
        )
    if single is not None and amount.value > single * 1.5:
        return DoseDoubt("caution", f"{name}单次 {_shown(amount.value, unit)}，高于通常的 {_shown(single, unit)}；请核对。")
    if daily is not None and row.get("daily") and daily < row["daily"][0] * factor * 0.3:
        return DoseDoubt(
            "note", f"{name}每日 {_shown(daily, unit)}，低于通常的 {_shown(row['daily'][0] * factor, unit)}，可能无效；请核对。"
        )
    return None


def _child(
    name: str, row: Mapping[str, Any], factor: float, amount: Amount, daily: float | None, weight: float | None, years: float
) -> DoseDoubt | None:
    kilograms = weight if weight is not None else usual_weight(years)
    span = row.get("per_kg_daily")
    highest = span[1] * factor * kilograms if span else None
    cap = row.get("child_daily_max")
    if cap is not None:
        highest = cap * factor if highest is None else min(highest, cap * factor)
    assert highest is not None
    unit = amount.unit
    # a weight guessed from the age leaves more room before a doubt is worth a word
    room = 1.2 if weight is not None else 1.5
    said = f"按体重 {weight:g} kg" if weight is not None else f"按年龄估计体重约 {kilograms:.0f} kg"
    given = daily if daily is not None else amount.value
    if given > highest * room:
        severe = given > highest * 2
        return DoseDoubt(
            "serious" if severe else "caution",
            f"{name}每日 {_shown(given, unit)}，{said}通常不超过每日 {_shown(round(highest, 3), unit)}；请核算。",
        )
    if daily is not None and span and weight is not None and daily < span[0] * factor * kilograms * 0.5:
        return DoseDoubt(
            "note",
            f"{name}每日 {_shown(daily, unit)}，{said}通常不少于每日 {_shown(round(span[0] * factor * kilograms, 3), unit)}，可能无效；请核对。",
        )
    return None
