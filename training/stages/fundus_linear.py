"""Stage: a second opinion that costs nothing: linear readings of the ImageNet features which the gates use anyway.

Fine-tuning on few cameras bends the features; the frozen ones stay as they are and err elsewhere. For each fold four
ridge-penalised logistic readings ("grade at least 1..4") are fitted on that fold's training photographs and added to its
logits, in the exported graph too. Writes `gate_features.npy` and `linear_<fold>.npz`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from inference.fundus.model import SHALLOW
from inference.fundus.quality import Measures
from training.networks.efficientnet_lite import FundusNet, ServingNet
from training.stages.fundus_data import Cache, sampling
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread
from training.stages.fundus_train import fold_masks

#: Inverse ridge penalty and weight of the readings, chosen on left-out sources (docs/log/fundus.md).
STRENGTH = 0.1
SHARE = 0.25
#: Standardised features are bounded, so that no stranger runs away.
BOUND = 6.0


@dataclass(frozen=True)
class Readings:
    """Four linear readings of the gate features.

    Attributes:
        mean, scale: (304,).
        weight: (4, 304).
        bias: (4,).
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """What is added to the network's logits: (n, 304) to (n, 4)."""
        z = np.clip((features - self.mean) / self.scale, -BOUND, BOUND)
        return np.asarray(z @ self.weight.T + self.bias)


def joined(gate: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """Gate features and measures in the order that the service uses: what the distance reads comes first."""
    return np.concatenate([gate[:, :SHALLOW], measures, gate[:, SHALLOW:]], axis=1).astype(np.float64)


def gate_features(cache: Cache, work: Path) -> np.ndarray:
    """Stride-8 statistics (80), measures and stride-16 statistics (224) of every cached photograph; kept on disk."""
    path = work / "gate_features.npy"
    if not path.exists():
        imagenet = backbone().eval()
        network = ServingNet(FundusNet(imagenet), imagenet).eval()
        parts = []
        with torch.no_grad():
            for i in range(0, len(cache.photographs), 32):
                rows = np.arange(i, min(i + 32, len(cache.photographs)))
                parts.append(joined(network.gate(cache.plain_inputs(rows)).numpy(), cache.descriptors[rows]))
        np.save(path, np.concatenate(parts))
    return np.asarray(np.load(path))


def without_measures(features: np.ndarray) -> np.ndarray:
    """The network's 304 gate features alone: brightness, size and frame stay out of the grade."""
    return np.concatenate([features[:, :SHALLOW], features[:, SHALLOW + len(Measures.names()) :]], axis=1)


def fit(features: np.ndarray, cache: Cache, train: np.ndarray) -> Readings:
    """Fit on the graded photographs of a fold, every source alike.

    Args:
        features: (rows, 304).
        cache: labels.
        train: bool (rows).
    """
    rows = np.flatnonzero(train & (cache.grades >= 0))
    x = features[rows]
    mean, scale = x.mean(0), x.std(0) + 1e-3
    z = np.clip((x - mean) / scale, -BOUND, BOUND)
    chance = sampling(cache, rows)
    weight, bias = np.zeros((4, x.shape[1])), np.zeros(4)
    for k in range(4):
        label = cache.referable[rows] if k == 1 else (cache.grades[rows] > k).astype(int)
        if len(np.unique(label)) == 2:
            model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3).fit(z, label, sample_weight=chance / chance.mean())
            weight[k], bias[k] = SHARE * model.coef_[0], SHARE * float(model.intercept_[0])
    return Readings(mean, scale, weight, bias)


def linear(work: Path, params: FundusParams) -> None:
    """Fit and apply every fold that was trained."""
    cache = Cache.load(work)
    features = without_measures(gate_features(cache, work))
    for path in sorted([*work.glob("loso_*.npz"), *work.glob("cv_*.npz"), work / "final.npz"]):
        with np.load(path) as fold:
            rows = fold["rows"]
        readings = fit(features, cache, fold_masks(cache, path.stem, params)[0])
        np.savez(
            work / f"linear_{path.stem}.npz",
            rows=rows,
            logits=readings.logits(features[rows]),
            mean=readings.mean,
            scale=readings.scale,
            weight=readings.weight,
            bias=readings.bias,
        )
        print(f"{path.stem}: {len(rows)} answers", flush=True)


def read(work: Path, fold: str) -> Readings:
    """The readings of a fold."""
    with np.load(work / f"linear_{fold}.npz") as entry:
        return Readings(entry["mean"], entry["scale"], entry["weight"], entry["bias"])


def fold_logits(work: Path, fold: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a fold's answers and their logits (n, 4): the network's and the readings' together."""
    with np.load(work / f"{fold}.npz") as network, np.load(work / f"linear_{fold}.npz") as second:
        if not np.array_equal(network["rows"], second["rows"]):
            raise ValueError(f"linear_{fold}.npz is of other rows: run fundus_linear again")
        return network["rows"], network["logits"] + second["logits"]


def main() -> None:
    """Fit in the work folder."""
    one_thread()
    params = load_params()
    if corpora_root() is None:
        print("XINGLIN_CORPORA is not set: a dry run on synthetic photographs")
        params = params.tiny()
    linear(Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus")), params)


if __name__ == "__main__":
    main()
