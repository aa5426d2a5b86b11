"""The learned score of undiagnosed hyperglycaemia: probability of fasting glucose >= 7.0 mmol/L from a routine panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data_contracts.grade import InstrumentResult
from inference.risk.hyperglycaemia_design import design
from inference.risk.rows import Row

if TYPE_CHECKING:
    from models.bundle import Bundle

Floats = npt.NDArray[np.float64]


class HyperglycaemiaScore:
    """The sealed score: panel in, probability out; says nothing where too little of the panel is known."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.parameters: dict[str, Any] = bundle.json("calibration.json")
        self.features: list[dict[str, Any]] = self.parameters["features"]
        self.session = bundle.session()

    def probabilities(self, raw: Floats) -> Floats:
        """Calibrated probability of each row (rows x features, canonical units, NaN unknown)."""
        prepared = design(raw, self.parameters).astype(np.float32)
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: prepared})
        return np.asarray(outputs[1], dtype=np.float64)[:, 1]

    def result(self, facts: Mapping[str, Any], row: Row) -> InstrumentResult | None:
        """The result for a resident without known diabetes and without a fasting glucose; None where it does not apply."""
        if (
            facts.get("diabetes") is True
            or facts.get("fpg") is not None
            or facts.get("sex") is None
            or facts.get("age_y") is None
            or facts["age_y"] < 18
        ):
            return None
        values = np.full((1, len(self.features)), np.nan)
        for column, feature in enumerate(self.features):
            name = feature["name"]
            if name == "male":
                values[0, column] = 1.0 if facts["sex"] == "M" else 0.0
            elif feature.get("input") and facts.get(feature["input"]) is not None:
                values[0, column] = facts[feature["input"]]
            elif feature.get("measurement") in row.panel:
                value, unit = row.panel[feature["measurement"]]
                if unit is not None and unit.strip().lower() in [accepted.lower() for accepted in feature["units"]]:
                    values[0, column] = value
        missing = tuple(feature["name"] for column, feature in enumerate(self.features) if np.isnan(values[0, column]))
        if len(self.features) - len(missing) < self.parameters["least_known"]:
            return None
        probability = round(float(self.probabilities(values)[0]), 4)
        high = probability >= self.parameters["threshold"]
        advice = "建议查空腹血糖" if high else "按常规每年查空腹血糖"
        return InstrumentResult(
            instrument="hyperglycaemia",
            edition=f"{self.bundle.task} {self.bundle.version}",
            version=self.bundle.version,
            value=round(100 * probability, 1),
            unit="%",
            grade="high" if high else "not_high",
            interpretation=f"按化验组合估计空腹血糖≥7.0的可能约{100 * probability:.1f}%：{advice}。学习所得评分，只作提示，不作诊断。",
            missing=missing,
            unconfirmed=True,
            source="体检化验数据训练的统计模型（见模型卡）",
        )
