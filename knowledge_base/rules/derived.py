"""What can be worked out from what is given, without guessing: BMI, months of age, eGFR, and logical consequences.

Works on whole sheets; a value that was given is never replaced. Each derived input is named in `Sheet.derived`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knowledge_base.rules import instrument as spec
from knowledge_base.rules.grading import Sheet, parse_plain
from knowledge_base.rules.instrument import Bools, Floats, flag
from knowledge_base.rules.kidney import EPI_2009, EPI_2021, gfr
from knowledge_base.rules.units import QUANTITIES

NO_FLAGS_WITHOUT_DIABETES = ("dm_treated", "dm_uncomplicated", "dm_complicated")
ZERO_WITHOUT_ASCVD = ("n_severe_events", "n_high_risk_features")


def _number(sheet: Sheet, given: spec.Input) -> tuple[Floats, Bools]:
    parsed = parse_plain(sheet, given)
    usable = ~parsed.bad & ~parsed.missing & ~parsed.slip
    return np.where(usable, parsed.values, np.nan), usable


def _fill_number(sheet: Sheet, given: spec.Input, values: Floats) -> None:
    parsed = parse_plain(sheet, given)
    fill = parsed.missing & ~np.isnan(values)
    if not fill.any():
        return
    # Bad values stay as they were given, so that the instrument refuses them by name.
    sheet.replace(given.name, np.where(fill, values, parsed.values), QUANTITIES[given.quantity].unit, keep_bad=parsed.bad)
    sheet.derived[given.name] = sheet.derived.get(given.name, False) | fill


def _fill_flag(sheet: Sheet, name: str, yes: Bools, no: Bools) -> None:
    parsed = parse_plain(sheet, flag(name, name))
    fill = parsed.missing & (yes | no)
    if not fill.any():
        return
    codes = np.where(fill, yes.astype(np.int8), parsed.values).astype(np.int8)
    sheet.replace(name, codes, None, keep_bad=parsed.bad)
    sheet.derived[name] = sheet.derived.get(name, False) | fill


def _flag(sheet: Sheet, name: str) -> npt.NDArray[np.int8]:
    return parse_plain(sheet, flag(name, name)).values


def derive(sheet: Sheet, *, egfr_equation: str = "2021") -> None:
    """Fill what follows from the sheet's own values.

    BMI from height and weight; age in months and years from each other; eGFR by the named CKD-EPI equation; CKD flags
    from eGFR; no diabetes means no complication or treatment of it; no ASCVD means no events of it.
    """
    with np.errstate(all="ignore"):
        height, _ = _number(sheet, spec.HEIGHT)
        weight, _ = _number(sheet, spec.WEIGHT)
        metres = height / 100
        if "height" in sheet and "weight" in sheet:
            _fill_number(sheet, spec.BMI, np.round(weight / (metres * metres), 4))
        if "age_y" in sheet:
            months: Floats = np.floor(_number(sheet, spec.AGE)[0] * 12 + 1e-9)
            _fill_number(sheet, spec.AGE_MONTHS, months)
        elif "age_m" in sheet:
            _fill_number(sheet, spec.AGE, _number(sheet, spec.AGE_MONTHS)[0] / 12)
        if "crea" in sheet and "sex" in sheet and "age_y" in sheet:
            crea, _ = _number(sheet, spec.CREA)
            age, _ = _number(sheet, spec.AGE)
            sex = parse_plain(sheet, spec.SEX).values
            equation = EPI_2009 if egfr_equation == "2009" else EPI_2021
            value = np.round(gfr(equation, crea, age, sex == 1), 6)
            value[(sex < 0) | ~(age >= 18)] = np.nan
            _fill_number(sheet, spec.EGFR, value)
        if "egfr" in sheet:
            egfr, known = _number(sheet, spec.EGFR)
            for name, low, high in (("ckd3", 30, 60), ("ckd4plus", -1, 30), ("ckd3_4", 15, 60)):
                inside = known & (egfr >= low) & (egfr < high)
                _fill_flag(sheet, name, inside, known & ~inside)
        if "bp_treated" in sheet:
            treated = _flag(sheet, "bp_treated") == 1
            _fill_flag(sheet, "hypertension", treated, np.zeros(sheet.size, dtype=bool))
            _fill_flag(sheet, "bp_drugs_ever", treated, np.zeros(sheet.size, dtype=bool))
        if "diabetes" in sheet:
            diabetes = _flag(sheet, "diabetes")
            _fill_flag(sheet, "dm_treated", diabetes == 1, diabetes == 0)
            for name in NO_FLAGS_WITHOUT_DIABETES[1:]:
                _fill_flag(sheet, name, np.zeros(sheet.size, dtype=bool), diabetes == 0)
            complicated = _flag(sheet, "dm_complicated")
            _fill_flag(sheet, "dm_uncomplicated", (diabetes == 1) & (complicated == 0), complicated == 1)
        if "adverse_reaction" in sheet:
            _fill_flag(sheet, "adverse_hard_to_control", np.zeros(sheet.size, dtype=bool), _flag(sheet, "adverse_reaction") == 0)
        if "ascvd" in sheet:
            free = _flag(sheet, "ascvd") == 0
            zero = np.full(sheet.size, np.nan)
            zero[free] = 0.0
            for name in ZERO_WITHOUT_ASCVD:
                _fill_number(sheet, spec.count(name, name), zero)
        _menopause(sheet)


def _menopause(sheet: Sheet) -> None:
    if "sex" not in sheet or "age_y" not in sheet:
        return
    female = parse_plain(sheet, spec.SEX).values == 1
    age, _ = _number(sheet, spec.AGE)
    _fill_flag(sheet, "postmenopausal", female & (age >= 60), (parse_plain(sheet, spec.SEX).values == 0) | (age < 40))


def fact(sheet: Sheet, name: str) -> Bools | None:
    """Rows where a fact that is no instrument input holds; None where the sheet does not say anything about it."""
    if name == "no_diabetes":
        return None if "diabetes" not in sheet else _flag(sheet, "diabetes") != 1
    if name not in sheet:
        return None
    truth: Bools = _flag(sheet, name) == 1
    return truth


def fact_denied(sheet: Sheet, name: str) -> Bools | None:
    """Rows where a fact is known not to hold; None where the sheet does not say anything about it."""
    if name == "no_diabetes":
        return None if "diabetes" not in sheet else _flag(sheet, "diabetes") == 1
    if name not in sheet:
        return None
    denied: Bools = _flag(sheet, name) == 0
    return denied


__all__ = ["derive", "fact", "fact_denied"]
