"""The China-PAR 10-year equation, shared by the score, its what-if and the lifetime approximation.

risk = 1 - exp(-exp(sum(beta * x) + c)). The unrounded constants are the centre of the coefficient vectors that round to
every printed value and reproduce the official site's recorded answers (clinical_rules section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knowledge_base.rules.instrument import Bools, Floats


@dataclass(frozen=True, slots=True)
class Coefficients:
    """One sex's coefficients; x are natural logs of age (y), SBP (mmHg), TC and HDL-C (mg/dL), waist (cm), else 0/1."""

    age: float
    sbp_treated: float
    sbp_untreated: float
    tc: float
    hdl: float
    waist: float
    smoker: float
    diabetes: float
    north: float
    urban: float
    family: float
    age_sbp_treated: float
    age_sbp_untreated: float
    age_smoker: float
    age_family: float
    constant: float
    ideal_waist: float


MEN = Coefficients(
    31.96533,
    27.38500,
    26.14573,
    0.62202,
    -0.69483,
    -0.71132,
    3.95500,
    0.35660,
    0.47500,
    -0.16392,
    6.22090,
    -6.01761,
    -5.73080,
    -0.93904,
    -1.53400,
    -144.19019,
    90.0,
)
WOMEN = Coefficients(
    24.87500,
    20.70985,
    19.98244,
    0.05776,
    -0.21723,
    1.47500,
    0.49462,
    0.56706,
    0.54426,
    0.0,
    0.0,
    -4.52823,
    -4.36012,
    0.0,
    0.0,
    -121.45858,
    85.0,
)
IDEAL_TC, IDEAL_HDL, IDEAL_SBP = 200.0, 40.0, 120.0


@dataclass(frozen=True)
class Person:
    """Columns of the equation: age (y), SBP (mmHg), TC and HDL-C (mg/dL), waist (cm), and truths."""

    male: Bools
    age: Floats
    sbp: Floats
    tc: Floats
    hdl: Floats
    waist: Floats
    treated: Bools
    smoker: Bools
    diabetes: Bools
    north: Bools
    urban: Bools
    family: Bools


def _predictor(b: Coefficients, p: Person) -> Floats:
    ln_age, ln_sbp = np.log(p.age), np.log(p.sbp)
    treated = np.where(p.treated, b.sbp_treated + b.age_sbp_treated * ln_age, b.sbp_untreated + b.age_sbp_untreated * ln_age)
    score: Floats = b.age * ln_age + treated * ln_sbp
    score = score + b.tc * np.log(p.tc) + b.hdl * np.log(p.hdl) + b.waist * np.log(p.waist)
    score = score + p.smoker * (b.smoker + b.age_smoker * ln_age) + p.diabetes * b.diabetes
    score = score + p.north * b.north + p.urban * b.urban + p.family * (b.family + b.age_family * ln_age)
    return score + b.constant


def log_hazard(p: Person) -> Floats:
    """ln of the cumulative 10-year hazard."""
    return np.where(p.male, _predictor(MEN, p), _predictor(WOMEN, p))


def risk(p: Person) -> Floats:
    """10-year risk of a first ASCVD event, 0 to 1."""
    value: Floats = -np.expm1(-np.exp(log_hazard(p)))
    return value


def ideal(p: Person) -> Person:
    """The same person with ideal levels of everything that can be changed."""
    no = np.zeros(len(p.age), dtype=bool)
    ones = np.ones(len(p.age))
    return Person(
        p.male,
        p.age,
        ones * IDEAL_SBP,
        ones * IDEAL_TC,
        ones * IDEAL_HDL,
        np.where(p.male, MEN.ideal_waist, WOMEN.ideal_waist),
        no,
        no,
        no,
        p.north,
        p.urban,
        no,
    )
