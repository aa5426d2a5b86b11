"""What-if: how the 10-year risk would change, lever by lever.

Only levers that a person can pull and that the equation reads the way medicine does: in the male China-PAR equation a
larger waist lowers the risk, so waist is no lever there; HDL-C is a marker, not a treatment, and is no lever at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge_base.rules import Instrument, Sheet, grade_sheet, instruments
from knowledge_base.rules.grading import objects
from knowledge_base.rules.units import QUANTITIES


@dataclass(frozen=True, slots=True)
class Lever:
    """A change of one input: towards `target` (canonical unit) or to a flag's value."""

    name: str
    label: str
    target: float | bool
    women_only: bool = False


LEVERS: tuple[Lever, ...] = (
    Lever("smoker", "戒烟", False),
    Lever("sbp", "收缩压降到130", 130.0),
    Lever("tc", "总胆固醇降到4.5", 4.5),
    Lever("waist", "腰围减到85厘米以下", 84.0, women_only=True),
)


def what_if(values: dict[str, tuple[Any, str | None]]) -> list[dict[str, Any]]:
    """Risk now and then for every lever that applies, and for all of them together.

    Args:
        values: a resident's row; China-PAR must be computable from it.

    Returns:
        `[{"lever", "input", "from", "to", "risk_now", "risk_then", "change"}]` in percentage points, best first.
    """
    instrument = instruments()["china_par_10y"]
    sexes = {"M": "M", "F": "F", "男": "M", "女": "F"}
    sex = sexes.get(str(values.get("sex", (None, None))[0]))
    rows: list[dict[str, tuple[Any, str | None]]] = [dict(values)]
    levers: list[Lever] = []
    together = dict(values)
    for lever in LEVERS:
        now = _now(values, lever, instrument)
        if now is None or (lever.women_only and sex != "F"):
            continue
        if isinstance(lever.target, bool):
            if now is not True:
                continue
            changed: tuple[Any, str | None] = (lever.target, None)
        else:
            if not isinstance(now, float) or now <= lever.target:
                continue
            changed = (lever.target, instrument.input_map[lever.name].amount.unit)
        levers.append(lever)
        rows.append({**values, lever.name: changed})
        together[lever.name] = changed
    if not levers:
        return []
    rows.append(together)
    risks = _risks(instrument, rows)
    if risks is None:
        return []
    answers: list[dict[str, Any]] = [
        {
            "lever": lever.label,
            "input": lever.name,
            "from": _now(values, lever, instrument),
            "to": lever.target,
            "risk_now": risks[0],
            "risk_then": risks[index],
            "change": round(risks[index] - risks[0], 2),
        }
        for index, lever in enumerate(levers, start=1)
    ]
    answers.sort(key=lambda answer: float(answer["change"] or 0.0))
    if len({lever.name for lever in levers}) > 1:
        answers.append(
            {
                "lever": "以上全部做到",
                "input": None,
                "from": None,
                "to": None,
                "risk_now": risks[0],
                "risk_then": risks[-1],
                "change": round(risks[-1] - risks[0], 2),
            }
        )
    return answers


def _now(values: dict[str, tuple[Any, str | None]], lever: Lever, instrument: Instrument) -> float | bool | None:
    if lever.name not in values:
        return None
    value, unit = values[lever.name]
    if isinstance(lever.target, bool):
        return value is True or str(value).lower() in ("true", "是", "yes", "1")
    spec = instrument.input_map[lever.name]
    scale = QUANTITIES[spec.quantity].scale(unit)
    if scale is None:
        return None
    try:
        return round(float(scale.apply(np.array([float(value)]))[0]), 4)
    except (TypeError, ValueError):
        return None


def _risks(instrument: Instrument, rows: list[dict[str, tuple[Any, str | None]]]) -> list[float] | None:
    names = [spec.name for spec in instrument.inputs]
    columns = {name: objects([row.get(name, (None, None))[0] for row in rows]) for name in names}
    units: dict[str, Any] = {name: objects([row.get(name, (None, None))[1] for row in rows]) for name in names}
    graded = grade_sheet(instrument, Sheet(columns, units, size=len(rows), canonical=False))
    if (graded.status != 0).any():
        return None
    return [float(value) for value in graded.outputs["risk_pct"].data]
