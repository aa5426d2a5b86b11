"""Conversions between units (clinical_rules section 55)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Bools, Column, Input, Inputs, Instrument, number, real
from knowledge_base.rules.units import normal

FACTORS: dict[tuple[str, str, str], float] = {
    ("", "kPa", "mmHg"): 7.500617,
    ("", "jin", "kg"): 0.5,
    ("", "liang", "g"): 50.0,
    ("", "chi", "cm"): 100 / 3,
    ("", "cun", "cm"): 10 / 3,
    ("glucose", "mg/dL", "mmol/L"): 1 / 18.016,
    ("cholesterol", "mg/dL", "mmol/L"): 1 / 38.67,
    ("triglyceride", "mg/dL", "mmol/L"): 1 / 88.57,
    ("creatinine", "mg/dL", "umol/L"): 88.4,
    ("urate", "mg/dL", "umol/L"): 59.48,
    ("bilirubin", "mg/dL", "umol/L"): 17.1,
    ("haemoglobin", "g/dL", "g/L"): 10.0,
    ("bun", "mg/dL", "mmol/L"): 0.357,
    ("urea", "mg/dL", "mmol/L"): 1 / 6.006,
    ("acr", "mg/mmol", "mg/g"): 8.84,
}
"""(analyte, from, to) -> factor; the way back divides."""
NAMES = {
    "tc": "cholesterol",
    "ldl": "cholesterol",
    "hdl": "cholesterol",
    "ldl-c": "cholesterol",
    "hdl-c": "cholesterol",
    "tg": "triglyceride",
    "triglycerides": "triglyceride",
    "uric": "urate",
    "hb": "haemoglobin",
    "hemoglobin": "haemoglobin",
    "crea": "creatinine",
}
ANALYTES = frozenset(analyte for analyte, _, _ in FACTORS if analyte) | {"hba1c"}


def split_unit(text: str | None) -> tuple[str, str]:
    """Split "glucose mg/dL" into the analyte ("" if none) and the normal unit."""
    analyte, words = "", (text or "").split()
    if len(words) > 1:
        head = words[0].lower()
        head = NAMES.get(head, head)
        if head in ANALYTES:
            analyte, words = head, words[1:]
    return analyte, normal(" ".join(words).replace("NGSP", "").replace("IFCC", ""))


def convert(value: float, unit: str | None, to: str | None) -> float:
    """Convert a number; NaN where the pair is not known."""
    source, have = split_unit(unit)
    target, want = split_unit(to)
    if {have, want} == {"%", "mmol/mol"}:
        return (value - 2.152) / 0.09148 if have == "%" else value * 0.09148 + 2.152
    if {have, want} == {"f", "c"}:
        return (value - 32) * 5 / 9 if have == "f" else value * 9 / 5 + 32
    analyte = "bun" if "bun" in (source, target) else source or target
    for (name, one, other), factor in FACTORS.items():
        if name not in ("", analyte):
            continue
        if (have, want) == (normal(one), normal(other)):
            return value * factor
        if (want, have) == (normal(one), normal(other)):
            return value / factor
    return value if have == want and source == target else float("nan")


def _converted(x: Inputs) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = zip(x.n("value").tolist(), x.unit("value"), x.text("to").tolist(), strict=True)
    return np.array([convert(value, unit, to) for value, unit, to in rows], dtype=np.float64)


def compute(x: Inputs) -> Mapping[str, Column]:
    """The number in the unit asked for."""
    return {"value": real(_converted(x), 6)}


def outside(x: Inputs) -> Bools:
    """Pairs of units that this instrument does not know."""
    return np.isnan(_converted(x))


INSTRUMENT = Instrument(
    name="unit_conversion",
    title="单位换算",
    edition="-",
    source="clinical_rules 55（葡萄糖18.016，胆固醇38.67，甘油三酯88.57，肌酐88.4，尿酸59.48，胆红素17.1）",
    confidence="H",
    inputs=(number("value", "数值", "any", low=-1e9, high=1e9, own=True), Input("to", "目标单位", "text", own=True)),
    compute=compute,
    outside=outside,
    outside_says="不认识这对单位。请写明项目，如“glucose mg/dL”换算为“mmol/L”。",
    grade="value",
    value="value",
    family="tool",
    says={"*": "换算后为{value}。"},
)
