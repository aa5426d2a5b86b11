"""Trend over visits: control, variability, alerts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from inference.risk.rows import Reading
from knowledge_base.rules.plausibility import HEIGHT_LOSS_CM, WEIGHT_CHANGE_RATIO

RUNNING_DAYS = 100
"""Visits further apart than about three months are not "running" [L]."""
EGFR_FALL_A_YEAR = 5.0
EGFR_FALL_RATIO = 0.25
SBP_VARIABILITY = 15.0
"""Visit-to-visit standard deviation of SBP (mmHg) that deserves a look; project choice."""


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def by_day(readings: Sequence[Reading]) -> list[tuple[dt.date, float]]:
    """Daily means of the dated readings, in order."""
    days: dict[dt.date, list[float]] = {}
    for reading in readings:
        day = _day(reading.day)
        if day is not None:
            days.setdefault(day, []).append(reading.value)
    return [(day, sum(values) / len(values)) for day, values in sorted(days.items())]


def trend(series: Mapping[str, Sequence[Reading]], *, sbp_limit: float, diabetes: bool) -> dict[str, Any]:
    """Series, control status at each visit, variability and alerts.

    Args:
        series: readings by instrument input (canonical units).
        sbp_limit: SBP below which a visit is controlled (140, or 150 from 65 years).
        diabetes: whether fasting glucose classifies visits.
    """
    dated = {name: by_day(readings) for name, readings in series.items()}
    dated = {name: points for name, points in dated.items() if len(points) > 1}
    answer: dict[str, Any] = {
        "series": {name: [{"date": day.isoformat(), "value": round(value, 2)} for day, value in points] for name, points in dated.items()},
        "alerts": [],
    }
    alerts: list[dict[str, str]] = answer["alerts"]
    sbp, dbp = dict(dated.get("sbp", [])), dict(dated.get("dbp", []))
    visits = [(day, sbp[day] < sbp_limit and dbp.get(day, 0) < 90) for day in sorted(sbp)]
    if visits:
        answer["blood_pressure_controlled"] = [{"date": day.isoformat(), "controlled": controlled} for day, controlled in visits]
        answer["control_rate"] = round(sum(controlled for _, controlled in visits) / len(visits), 3)
        mean = sum(sbp.values()) / len(sbp)
        spread = math.sqrt(sum((value - mean) ** 2 for value in sbp.values()) / (len(sbp) - 1)) if len(sbp) > 1 else 0.0
        answer["sbp_sd"] = round(spread, 1)
        if len(visits) > 1 and not visits[-1][1] and not visits[-2][1] and (visits[-1][0] - visits[-2][0]).days <= RUNNING_DAYS:
            alerts.append({"id": "trend:bp_uncontrolled_twice", "message": "血压连续两次控制不满意：按规范转诊，2周内主动随访。"})
        if len(visits) >= 3 and spread >= SBP_VARIABILITY:
            alerts.append({"id": "trend:bp_variable", "message": f"收缩压波动大（标准差{spread:.0f}）：核对服药是否规律、测量是否规范。"})
    glucose = dated.get("fpg", []) if diabetes else []
    if len(glucose) > 1 and glucose[-1][1] >= 7.0 and glucose[-2][1] >= 7.0 and (glucose[-1][0] - glucose[-2][0]).days <= RUNNING_DAYS:
        alerts.append({"id": "trend:fpg_uncontrolled_twice", "message": "空腹血糖连续两次控制不满意：按规范转诊，2周内主动随访。"})
    kidney = dated.get("egfr", [])
    if len(kidney) > 1:
        (first_day, first), (last_day, last) = kidney[0], kidney[-1]
        years = max((last_day - first_day).days / 365.25, 0.25)
        fall = (first - last) / years
        answer["egfr_change_per_year"] = round(-fall, 1)
        if fall > EGFR_FALL_A_YEAR or (first > 0 and (first - last) / first > EGFR_FALL_RATIO):
            alerts.append(
                {"id": "trend:egfr_falling", "message": f"肾小球滤过率下降快（每年约{fall:.0f}）：复查肌酐与尿白蛋白，建议肾内科就诊。"}
            )
    _body(dated, alerts)
    return answer


def _body(dated: Mapping[str, list[tuple[dt.date, float]]], alerts: list[dict[str, str]]) -> None:
    weight = dated.get("weight", [])
    if len(weight) > 1:
        (_, before), (_, now) = weight[-2], weight[-1]
        if (weight[-1][0] - weight[-2][0]).days <= 92 and abs(now - before) / before > WEIGHT_CHANGE_RATIO:
            alerts.append({"id": "trend:weight_change", "message": "3个月内体重变化超过10%：请复测，属实则查找原因。"})
    height = dated.get("height", [])
    if len(height) > 1 and height[-2][1] - height[-1][1] > HEIGHT_LOSS_CM:
        alerts.append({"id": "trend:height_loss", "message": "身高降低超过3厘米：请复测，属实则查骨质疏松与椎体骨折。"})
