"""CKD-EPI equations and the GFR category, shared by the kidney instruments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knowledge_base.rules.instrument import Bools, Column, Floats, bands

MG_PER_DL = 88.4
G_LABELS = ("G5", "G4", "G3b", "G3a", "G2", "G1")
G_SAYS = {
    "G1": "肾小球滤过率正常或偏高（G1）。",
    "G2": "肾小球滤过率轻度下降（G2）；没有其他肾损害证据时不算肾病。",
    "G3a": "肾小球滤过率轻中度下降（G3a）：查尿白蛋白/肌酐比，3个月后复查。",
    "G3b": "肾小球滤过率中重度下降（G3b）：查尿白蛋白/肌酐比，核对用药剂量，建议肾内科评估。",
    "G4": "肾小球滤过率重度下降（G4）：转肾内科。",
    "G5": "肾衰竭水平（G5）：尽快转肾内科。",
}


@dataclass(frozen=True, slots=True)
class Equation:
    """factor * min(s/kappa, 1)^alpha * max(s/kappa, 1)^power * base^age * (woman), s = creatinine in mg/dL."""

    factor: float
    alpha_women: float
    alpha_men: float
    power: float
    base: float
    woman: float


EPI_2021 = Equation(142, -0.241, -0.302, -1.200, 0.9938, 1.012)
EPI_2009 = Equation(141, -0.329, -0.411, -1.209, 0.993, 1.018)


def gfr(equation: Equation, creatinine: Floats, age: Floats, female: Bools) -> Floats:
    """eGFR in mL/min/1.73 m2 from creatinine in umol/L."""
    ratio = creatinine / MG_PER_DL / np.where(female, 0.7, 0.9)
    alpha = np.where(female, equation.alpha_women, equation.alpha_men)
    value: Floats = equation.factor * np.minimum(ratio, 1.0) ** alpha * np.maximum(ratio, 1.0) ** equation.power
    return value * equation.base**age * np.where(female, equation.woman, 1.0)


def category(egfr: Floats) -> Column:
    """G1 to G5 of the unrounded eGFR."""
    return bands(egfr, (15, 30, 45, 60, 90), G_LABELS)
