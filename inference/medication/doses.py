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
_DOSE = re.compile(r"(\d+(?:\.\d+)?)\s*(万单位|万iu|万u|单位|毫克|微克|毫升|克|mcg|mg|ug|μg|µg|ml|iu|g|u)", re.IGNORECASE)
_TIMES = {
    "qd": 1,
    "qn": 1,
    "qm": 1,
    "qam": 1,
    "hs": 1,
    "bid": 2,
    "tid": 3,
    "qid": 4,
    "qod": 0.5,
    "qw": 1 / 7,
    "biw": 2 / 7,
    "st": 1,
    "once": 1,
}
_EVERY = re.compile(r"q\s*(\d+)\s*h")
_DAILY = re.compile(r"(?:每日|每天|一日|一天|日)\s*([一二两三四五六1-6])\s*次|([1-6])\s*次\s*/\s*(?:日|天|d)")
_CHINESE = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6}


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in milligrams, millilitres or units."""

    value: float
    unit: str


def parse_dose(text: str | None) -> Amount | None:
    """`0.5g`, `500mg`, `25 毫克`, `80万U`; None where no amount with a unit is written (片, 粒)."""
    match = _DOSE.search(unicodedata.normalize("NFKC", text or ""))
    if match is None:
        return None
    unit, factor = _UNITS[match[2].lower()]
    return Amount(float(match[1]) * factor, unit)


def times_a_day(text: str | None) -> float | None:
    """`tid`, `q8h`, `每日3次`, `一天两次`."""
    plain = unicodedata.normalize("NFKC", text or "").lower().strip().replace(".", "")
    if plain in _TIMES:
        return float(_TIMES[plain])
    every = _EVERY.search(plain)
    if every and int(every[1]) > 0:
        return 24 / int(every[1])
    daily = _DAILY.search(plain)
    if daily:
        said = daily[1] or daily[2]
        return float(_CHINESE.get(said, 0) or int(said))
    return next((float(times) for word, times in _TIMES.items() if re.search(rf"\b{word}\b", plain)), None)


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
    "ivgtt": "iv",
    "iv": "iv",
    "静注": "iv",
    "静推": "iv",
    "肌注": "im",
    "im": "im",
    "皮下": "sc",
    "皮下注射": "sc",
    "sc": "sc",
    "ih": "sc",
    "外用": "ext",
    "吸入": "inh",
    "雾化": "inh",
}


def doubt_of(
    name: str,
    doses: Sequence[Mapping[str, Any]],
    dose: str | None,
    frequency: str | None,
    route: str | None,
    *,
    age_years: float | None,
    weight: float | None,
) -> DoseDoubt | None:
    """A doubt where the written dose lies well outside the entry's range for this route; silent where nothing can be compared."""
    amount = parse_dose(dose)
    if amount is None:
        return None
    way = _ROUTES.get((route or "po").lower().strip(), "po")
    row = next((d for d in doses if d["route"] == way), None)
    if row is None:
        return None
    unit, factor = _UNITS.get(str(row["unit"]).lower(), (str(row["unit"]).lower(), 1.0))
    if unit != amount.unit:
        return None
    times = times_a_day(frequency)
    daily = amount.value * times if times is not None else None
    if age_years is not None and age_years < 12:
        return _child(name, row, factor, amount, daily, weight)
    highest = row.get("daily_max") or (row["daily"][1] if row.get("daily") else None)
    if daily is not None and highest is not None and daily > highest * factor * 1.01:
        severe = daily > highest * factor * 1.99
        return DoseDoubt(
            "serious" if severe else "caution",
            f"{name}每日 {daily:g} {unit}，超过通常的每日 {highest * factor:g} {unit}；请核对剂量与次数。",
        )
    if row.get("single") and amount.value > row["single"][1] * factor * 1.5:
        return DoseDoubt("caution", f"{name}单次 {amount.value:g} {unit}，高于通常的 {row['single'][1] * factor:g} {unit}；请核对。")
    if daily is not None and row.get("daily") and daily < row["daily"][0] * factor * 0.3:
        return DoseDoubt("note", f"{name}每日 {daily:g} {unit}，低于通常的 {row['daily'][0] * factor:g} {unit}。")
    return None


def _child(name: str, row: Mapping[str, Any], factor: float, amount: Amount, daily: float | None, weight: float | None) -> DoseDoubt | None:
    span = row.get("per_kg_daily")
    if span is None or daily is None:
        return None
    cap = row.get("child_daily_max")
    if weight is None:
        if cap is not None and daily > cap * factor * 1.2:
            return DoseDoubt("caution", f"{name}每日 {daily:g} {amount.unit}，超过儿童每日最大量 {cap * factor:g}；请按体重核算。")
        return None
    highest = span[1] * factor * weight
    if cap is not None:
        highest = min(highest, cap * factor)
    if daily > highest * 1.2:
        severe = daily > highest * 2
        return DoseDoubt(
            "serious" if severe else "caution",
            f"{name}每日 {daily:g} {amount.unit}，按体重 {weight:g} kg 通常不超过 {highest:.0f} {amount.unit}；请核算。",
        )
    return None
