"""Regional recalibration of China-PAR: intercept and slope fitted on a county's own outcomes.

The equation's ranking travels between regions, its calibration does not (published cohorts: -42 % to +29 %). On the
complementary log-log scale of the equation, risk' = 1 - exp(-exp(intercept + slope * ln hazard)). Fitted by maximum
likelihood; observed against expected is shown before and after, and a slot is refused where events are too few.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_contracts.problems import XinglinError

Floats = npt.NDArray[np.float64]
LEAST_EVENTS = 50
EDGE = 1e-9


def log_hazard_of(risk: Floats) -> Floats:
    """ln of the cumulative hazard of a risk (0 to 1)."""
    return np.log(-np.log1p(-np.clip(risk, EDGE, 1 - EDGE)))


def risk_of(log_hazard: Floats) -> Floats:
    """Risk of a log cumulative hazard."""
    found: Floats = -np.expm1(-np.exp(log_hazard))
    return found


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A county's slot, with what it was fitted on."""

    region: str
    intercept: float
    slope: float
    people: int
    events: int
    expected_before: float
    expected_after: float
    years: float = 10.0

    def apply(self, risk: Floats) -> Floats:
        """Recalibrated risk (0 to 1)."""
        return risk_of(self.intercept + self.slope * log_hazard_of(risk))

    @property
    def observed_expected_before(self) -> float:
        """Observed events over those the equation expects."""
        return self.events / self.expected_before

    def save(self, path: Path) -> None:
        """Write the slot as JSON."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Recalibration:
        """Read a slot."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def fit_recalibration(region: str, risk: Floats, event: npt.NDArray[np.int64], *, years: float = 10.0, slope: bool = True) -> Recalibration:
    """Fit a slot.

    Args:
        region: the county's name.
        risk: China-PAR 10-year risk at baseline (0 to 1), one a person.
        event: 1 where a first ASCVD event came within `years` of follow-up, complete for everyone.
        years: of follow-up; other than ten scales the hazard linearly.
        slope: whether to fit the slope too, or the intercept alone (better where events are few).

    Raises:
        XinglinError: fewer than 50 events, or lengths that differ.
    """
    if len(risk) != len(event):
        raise XinglinError("invalid-input", "风险与结局的人数不同。")
    events = int(event.sum())
    if events < LEAST_EVENTS:
        raise XinglinError("invalid-input", f"只有 {events} 例结局，少于 {LEAST_EVENTS} 例，不足以重新校准。")
    x = log_hazard_of(risk) + np.log(years / 10)
    beta = np.array([0.0, 1.0])
    for _ in range(100):
        eta = np.clip(beta[0] + beta[1] * x, -30, 5)
        hazard = np.exp(eta)
        p = np.clip(-np.expm1(-hazard), EDGE, 1 - EDGE)
        # Newton with the expected information of the complementary log-log link.
        derivative = hazard * np.exp(-hazard)
        score = (event - p) * derivative / (p * (1 - p))
        weight = derivative**2 / (p * (1 - p))
        if not slope:
            step = np.array([score.sum() / weight.sum(), 0.0])
        else:
            information = np.array([[weight.sum(), (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum()]])
            step = np.linalg.solve(information, np.array([score.sum(), (score * x).sum()]))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-10:
            break
    before = float(risk_of(x).sum())
    after = float(risk_of(beta[0] + beta[1] * x).sum())
    return Recalibration(region, float(beta[0]), float(beta[1]), len(risk), events, before, after, years)
