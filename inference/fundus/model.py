"""The bundle's network and its sealed numbers: from the normal form to calibrated probabilities and gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.fundus.quality import Measures
from inference.fundus.retina import Preprocessing, network_input, preprocessing_from
from models.bundle import Bundle

Array = npt.NDArray[np.float32]
#: Gate features at stride 8, which come before the measures; those at stride 16 come after them.
SHALLOW = 80


@dataclass(frozen=True)
class LinearHead:
    """A logistic reading of standardised features."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    bias: float
    threshold: float

    @classmethod
    def read(cls, entry: dict[str, Any]) -> LinearHead:
        """From its JSON entry."""
        mean, scale, weight = (np.asarray(entry[name], dtype=np.float64) for name in ("mean", "scale", "weight"))
        return cls(mean, scale, weight, float(entry["bias"]), float(entry["threshold"]))

    def probability(self, features: npt.NDArray[np.float64]) -> float:
        """Probability for one feature vector; standardised features are bounded so that no stranger runs away."""
        z = np.clip((features - self.mean) / self.scale, -8.0, 8.0)
        return float(1.0 / (1.0 + np.exp(-(z @ self.weight + self.bias))))


@dataclass(frozen=True)
class Grading:
    """What the network says of one photograph.

    Attributes:
        at_least: calibrated probabilities of grade >= 1, 2, 3, 4; never rising.
        probabilities: of grades 0..4.
        lesion_maps: probabilities (4, h/8, w/8) of microaneurysm, haemorrhage, hard and soft exudate.
        p_fundus: that it is a fundus photograph.
        p_reject: that its quality is too poor to grade.
        distance: Mahalanobis distance from fundus photographs (per feature).
    """

    at_least: tuple[float, ...]
    probabilities: tuple[float, ...]
    lesion_maps: Array
    p_fundus: float
    p_reject: float
    distance: float


class FundusModel:
    """Runs one photograph at a time, so that an answer never depends on its neighbours."""

    def __init__(self, bundle: Bundle) -> None:
        """Read everything that was sealed: preprocessing, calibration, gates, thresholds."""
        self.session = bundle.session("model.onnx")
        self.preprocessing: Preprocessing = preprocessing_from(bundle.json("preprocessing.json"))
        calibration = bundle.json("calibration.json")
        self.temperature = np.asarray(calibration["temperature"], dtype=np.float64)
        self.shift = np.asarray(calibration["shift"], dtype=np.float64)
        self.referable_threshold = float(calibration["referable_threshold"])
        self.grade_cuts = np.asarray(calibration["grade_cuts"], dtype=np.float64)
        gates = bundle.json("gates.json")
        self.fundus_head = LinearHead.read(gates["fundus"])
        self.quality_head = LinearHead.read(gates["quality"])
        self.distance_limit = float(gates["distance"]["limit"])
        self.distance_mean = np.asarray(gates["distance"]["mean"], dtype=np.float64)
        self.distance_axes = np.asarray(gates["distance"]["axes"], dtype=np.float64)

    def grade(self, evened: npt.NDArray[np.float32], measures: Measures) -> Grading:
        """Answer for one normal form (height, width, 3) in 0..1 and its measures."""
        x = network_input(evened, self.preprocessing)[None]
        logits, maps, gate = self.session.run(["logits", "lesions", "gate"], {"image": x})
        at_least = cumulative(np.asarray(logits[0], dtype=np.float64), self.temperature, self.shift)
        gate_values = np.asarray(gate[0], dtype=np.float64)
        shallow = np.concatenate([gate_values[:SHALLOW], np.asarray(measures.values())])
        features = np.concatenate([shallow, gate_values[SHALLOW:]])
        away = (shallow - self.distance_mean) @ self.distance_axes
        return Grading(
            at_least=tuple(float(p) for p in at_least),
            probabilities=tuple(float(p) for p in -np.diff(np.concatenate([[1.0], at_least, [0.0]]))),
            lesion_maps=np.asarray(1.0 / (1.0 + np.exp(-maps[0])), dtype=np.float32),
            p_fundus=self.fundus_head.probability(features),
            p_reject=self.quality_head.probability(features),
            distance=float(np.sqrt(np.mean(away * away))),
        )

    def most_likely_grade(self, at_least: tuple[float, ...]) -> int:
        """The grade by the sealed cuts of the cumulative probabilities."""
        return int((np.asarray(at_least) >= self.grade_cuts).cumprod().sum())


def cumulative(
    logits: npt.NDArray[np.float64], temperature: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities of grade >= 1..4 on the last axis, made never rising."""
    p = 1.0 / (1.0 + np.exp(-(logits / temperature + shift)))
    return np.minimum.accumulate(p, axis=-1)
