"""What a value can be: hard limits (outside: refused) and soft limits (outside: measure again, or a unit slip).

Source: clinical_rules section 60, a project choice [M], with `ratio` (FEV1/FVC) and `pack_years` in the same manner.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard and soft limits in the canonical unit, all inclusive."""

    low: float
    high: float
    soft_low: float
    soft_high: float


LIMITS: dict[str, Limits] = {
    "age_y": Limits(0, 125, 0, 105),
    "age_m": Limits(0, 1500, 0, 1260),
    "sbp": Limits(40, 320, 80, 220),
    "dbp": Limits(20, 220, 40, 130),
    "hr": Limits(15, 350, 40, 140),
    "rr": Limits(3, 120, 8, 40),
    "temp": Limits(25, 45, 35, 41),
    "spo2": Limits(30, 100, 85, 100),
    "height": Limits(50, 260, 120, 210),
    "weight": Limits(1.5, 450, 30, 180),
    "bmi": Limits(7, 110, 13, 60),
    "waist": Limits(30, 250, 50, 150),
    "glu": Limits(0.5, 80, 2.8, 33.3),
    "hba1c": Limits(2.5, 25, 4, 15),
    "tc": Limits(0.5, 40, 1.5, 15),
    "tg": Limits(0.1, 120, 0.3, 20),
    "hdl": Limits(0.05, 8, 0.4, 3.5),
    "ldl": Limits(0.05, 30, 0.5, 10),
    "crea": Limits(5, 5000, 20, 1500),
    "urea": Limits(0.3, 120, 1, 50),
    "ua": Limits(10, 2000, 80, 900),
    "tbil": Limits(0.5, 1000, 2, 400),
    "alb": Limits(5, 80, 15, 60),
    "hb": Limits(10, 280, 40, 220),
    "plt": Limits(1, 5000, 20, 1000),
    "wbc": Limits(0.05, 1000, 1, 50),
    "acr": Limits(0, 50000, 0, 10000),
    "egfr": Limits(0, 250, 0, 160),
    "fev1_pct": Limits(3, 250, 10, 150),
    "ratio": Limits(0.05, 1.0, 0.15, 1.0),
    "pack_years": Limits(0, 400, 0, 150),
}
for _same in ("fpg", "glu2h", "random_glu"):
    LIMITS[_same] = LIMITS["glu"]

PULSE_PRESSURE = (15.0, 120.0)
"""A pulse pressure outside asks for another measurement (mmHg)."""
WEIGHT_CHANGE_RATIO = 0.10
HEIGHT_LOSS_CM = 3.0
"""Between two visits: more than this asks for another measurement."""
