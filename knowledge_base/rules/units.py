"""Units of instrument inputs: what each quantity may come in, and how it becomes canonical.

A unit is taken explicitly and converted once, at the edge. A value whose unit is not listed for its quantity is refused,
never guessed. Factors: clinical_rules section 55 (glucose 18.016, cholesterol 38.67, triglyceride 88.57, creatinine 88.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONVERTED_DECIMALS = 9
"""Converted values are rounded here, so that 2.7 chi is 90 cm and not 90.00000000000001: cut-offs compare exactly."""


@dataclass(frozen=True, slots=True)
class Scale:
    """canonical = (value - before) * factor + after."""

    factor: float
    before: float = 0.0
    after: float = 0.0

    def apply(self, values: Floats) -> Floats:
        """Convert; an identity scale leaves the bits alone."""
        if self.factor == 1.0 and self.before == 0.0 and self.after == 0.0:
            return values
        return np.round((values - self.before) * self.factor + self.after, CONVERTED_DECIMALS)


SAME = Scale(1.0)


@dataclass(frozen=True)
class Quantity:
    """A kind of amount: its canonical unit, other accepted units, and those a number is commonly mistaken for (`slips`)."""

    unit: str
    others: Mapping[str, Scale]
    slips: tuple[str, ...] = ()
    unitless: bool = False
    free: bool = False

    def scale(self, unit: str | None) -> Scale | None:
        """The scale of a written unit; None where the unit is unknown for this quantity (or absent where one is needed)."""
        if self.free:
            return SAME if unit else None
        if unit is None or unit == "":
            return SAME if self.unitless else None
        key = normal(unit)
        if key == normal(self.unit):
            return SAME
        for name, scale in self.others.items():
            if normal(name) == key:
                return scale
        return None


_SPELLING = str.maketrans(
    {"μ": "u", "µ": "u", "Μ": "m", "℃": "c", "℉": "f", "°": "", "％": "%", "²": "2", "⁹": "9", "×": "", "^": "", "*": "", " ": "", "·": ""}
)
_WORDS = {
    "degc": "c",
    "摄氏度": "c",
    "度": "c",
    "degf": "f",
    "华氏度": "f",
    "厘米": "cm",
    "公分": "cm",
    "米": "m",
    "公斤": "kg",
    "千克": "kg",
    "斤": "jin",
    "市斤": "jin",
    "尺": "chi",
    "寸": "cun",
    "岁": "year",
    "年": "year",
    "years": "year",
    "y": "year",
    "月": "month",
    "个月": "month",
    "months": "month",
    "mo": "month",
    "周": "week",
    "weeks": "week",
    "天": "day",
    "日": "day",
    "days": "day",
    "次/分": "/min",
    "次/分钟": "/min",
    "bpm": "/min",
    "毫米汞柱": "mmhg",
    "千帕": "kpa",
    "1e9/l": "109/l",
    "10e9/l": "109/l",
    "g/l_": "g/l",
    "umol/l": "umol/l",
    "分": "points",
    "分钟": "min",
    "minute": "min",
    "minutes": "min",
    "小时": "h",
    "hour": "h",
    "hours": "h",
    "%预计值": "%pred",
    "ml/min/1.73m2": "ml/min/1.73m2",
    "ml/(min1.73m2)": "ml/min/1.73m2",
    "ml/min": "ml/min/1.73m2",
}


def normal(unit: str) -> str:
    """One spelling for a unit: case, superscripts, micro signs and Chinese words are levelled."""
    key = unit.strip().translate(_SPELLING).lower()
    return _WORDS.get(key, key)


def _quantity(unit: str, others: Mapping[str, Scale] | None = None, slips: tuple[str, ...] = (), unitless: bool = False) -> Quantity:
    return Quantity(unit, others or {}, slips, unitless)


KPA = Scale(7.500617)
QUANTITIES: dict[str, Quantity] = {
    "years": _quantity("year", {"month": Scale(1 / 12), "week": Scale(7 / 365.25), "day": Scale(1 / 365.25)}),
    "months": _quantity("month", {"year": Scale(12.0), "week": Scale(7 / 30.4375), "day": Scale(1 / 30.4375)}),
    "pressure": _quantity("mmHg", {"kPa": KPA}, ("kPa",)),
    "rate": _quantity("/min"),
    "temperature": _quantity("degC", {"degF": Scale(5 / 9, before=32.0)}, ("degF",)),
    "percent": _quantity("%", {"1": Scale(100.0), "ratio": Scale(100.0)}),
    "height": _quantity("cm", {"m": Scale(100.0), "mm": Scale(0.1), "chi": Scale(100 / 3), "cun": Scale(10 / 3)}, ("m",)),
    "girth": _quantity(
        "cm", {"m": Scale(100.0), "mm": Scale(0.1), "chi": Scale(100 / 3), "cun": Scale(10 / 3), "inch": Scale(2.54)}, ("chi",)
    ),
    "weight": _quantity("kg", {"jin": Scale(0.5), "g": Scale(0.001), "liang": Scale(0.05)}, ("jin",)),
    "body_mass_index": _quantity("kg/m2"),
    "glucose": _quantity("mmol/L", {"mg/dL": Scale(1 / 18.016)}, ("mg/dL",)),
    "hba1c": _quantity("%", {"mmol/mol": Scale(0.09148, after=2.152)}, ("mmol/mol",)),
    "cholesterol": _quantity("mmol/L", {"mg/dL": Scale(1 / 38.67)}, ("mg/dL",)),
    "triglyceride": _quantity("mmol/L", {"mg/dL": Scale(1 / 88.57)}, ("mg/dL",)),
    "creatinine": _quantity("umol/L", {"mg/dL": Scale(88.4), "mmol/L": Scale(1000.0)}, ("mg/dL",)),
    "urate": _quantity("umol/L", {"mg/dL": Scale(59.48), "mmol/L": Scale(1000.0)}, ("mg/dL",)),
    "bilirubin": _quantity("umol/L", {"mg/dL": Scale(17.1)}, ("mg/dL",)),
    "urea": _quantity("mmol/L", {"mg/dL": Scale(1 / 6.006), "BUN mg/dL": Scale(0.357)}),
    "protein": _quantity("g/L", {"g/dL": Scale(10.0)}, ("g/dL",)),
    "haemoglobin": _quantity("g/L", {"g/dL": Scale(10.0)}, ("g/dL",)),
    "cells": _quantity("1e9/L", {"/uL": Scale(0.001), "10^3/uL": Scale(1.0), "G/L": Scale(1.0)}),
    "acr": _quantity("mg/g", {"mg/mmol": Scale(8.84), "ug/mg": Scale(1.0)}),
    "egfr": _quantity("mL/min/1.73m2"),
    "percent_predicted": _quantity("%pred", {"%": Scale(1.0)}),
    "ratio": _quantity("1", {"%": Scale(0.01), "ratio": Scale(1.0)}, ("%",), unitless=True),
    "pack_years": _quantity("pack-year", unitless=True),
    "span_years": _quantity("year", {"month": Scale(1 / 12)}, unitless=True),
    "minutes": _quantity("min", {"h": Scale(60.0), "day": Scale(1440.0)}),
    "multiple": _quantity("xULN", unitless=True),
    "drinks": _quantity("drinks", unitless=True),
    "volume": _quantity("mL", {"liang": Scale(50.0)}, unitless=True),
    "gastrin": _quantity("pmol/L"),
    "pepsinogen_ratio": _quantity("ratio", {"1": Scale(1.0)}, unitless=True),
    "any": Quantity("", {}, free=True),
    "count": _quantity(
        "count",
        {
            "points": Scale(1.0),
            "grade": Scale(1.0),
            "trimester": Scale(1.0),
            "次": Scale(1.0),
            "个": Scale(1.0),
            "期": Scale(1.0),
            "级": Scale(1.0),
            "1": Scale(1.0),
            "dose": Scale(1.0),
        },
        unitless=True,
    ),
}
