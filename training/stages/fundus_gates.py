"""Stage: the two gates before grading (is it a fundus photograph; is it good enough) on ImageNet features.

Writes `gates.json` for the bundle and `gates_report.json` with group-wise cross-validated figures.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from inference.fundus.decode import decode
from inference.fundus.model import SHALLOW
from inference.fundus.quality import Measures, measure
from inference.fundus.retina import crop, disc, even_out, find_retina, network_input
from training.datasets.fundus import grouped_folds, read_photographs
from training.datasets.fundus_strangers import strangers
from training.metrics.fundus import auc_interval, wilson
from training.networks.efficientnet_lite import FundusNet, ServingNet
from training.stages.fundus_data import Views
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

DRAWN_STRANGERS = 400
#: Inverse ridge penalties, chosen on the folds.
QUALITY_STRENGTH = 0.01
GATE_STRENGTH = 0.03
#: The quality head may call "reject" only where this many of a hundred good photographs stay.
KEEP_GOOD = 0.99


def features_of(network: ServingNet, views: Views, images: list[Image.Image]) -> np.ndarray:
    """Gate features (stride 8: 80, measures, stride 16: 224) of pictures that are not in the cache."""
    settings = views.preprocessing
    rows = []
    for image in images:
        retina = find_retina(image)
        band_image, shown = crop(image, retina, settings.diameter, settings.height)
        band = np.asarray(band_image)
        valid = shown & disc(settings.diameter, settings.height, settings.rim)
        evened = even_out(band, valid, settings)
        with torch.no_grad():
            lower = network.network.backbone.lower(torch.from_numpy(network_input(evened, settings)[None]))
            rows.append(joined(network.gate(lower).numpy(), np.asarray([measure(band, valid, evened, retina).values()])))
    return np.concatenate(rows)


def cached_features(network: ServingNet, views: Views) -> np.ndarray:
    """The same features of every cached photograph."""
    parts = []
    with torch.no_grad():
        for i in range(0, len(views.photographs), 32):
            rows = np.arange(i, min(i + 32, len(views.photographs)))
            parts.append(joined(network.gate(views.batch(0, rows).float()).numpy(), views.descriptors[rows]))
    return np.concatenate(parts)


def joined(gate: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """Gate features and measures in the order that the service uses: what the distance reads comes first."""
    return np.concatenate([gate[:, :SHALLOW], measures, gate[:, SHALLOW:]], axis=1).astype(np.float64)


class Head:
    """A logistic head on standardised features, ridge-penalised, classes weighed alike."""

    def __init__(self, x: np.ndarray, y: np.ndarray, strength: float) -> None:
        self.mean, self.scale = x.mean(0), x.std(0) + 1e-3
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        model.fit(self.standard(x), y)
        self.weight, self.bias = model.coef_[0], float(model.intercept_[0])

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Standardised and bounded, as the service does it."""
        return np.asarray(np.clip((x - self.mean) / self.scale, -8, 8))

    def probability(self, x: np.ndarray) -> np.ndarray:
        """Probability of class 1."""
        return np.asarray(1 / (1 + np.exp(-(self.standard(x) @ self.weight + self.bias))))

    def entry(self, threshold: float) -> dict[str, Any]:
        """JSON for the bundle."""
        arrays = {"mean": self.mean, "scale": self.scale, "weight": self.weight}
        return {**{k: [float(f"{v:.6g}") for v in a] for k, a in arrays.items()}, "bias": self.bias, "threshold": threshold}


def cross_validated(x: np.ndarray, y: np.ndarray, groups: list[str], strength: float, params: FundusParams) -> np.ndarray:
    """Held-out probability of every row."""
    fold = grouped_folds(groups, params.folds, params.seed)
    out = np.zeros(len(y))
    for k in range(params.folds):
        if (fold == k).any():
            out[fold == k] = Head(x[fold != k], y[fold != k], strength).probability(x[fold == k])
    return out


def gates(root: Path, work: Path, params: FundusParams, drawn: int = DRAWN_STRANGERS) -> None:
    """Fit both heads and the distance; write them with their figures."""
    views = Views.load(work)
    imagenet = backbone().eval()
    network = ServingNet(FundusNet(imagenet), imagenet).eval()
    x = cached_features(network, views)
    quality = np.array([p.quality or "" for p in views.photographs])
    photographs = [decode(data).rgb for _, _, data in list(read_photographs(root, ("drive",)))[:8]]
    drawn_pictures = strangers(drawn, params.seed, photographs)
    x_drawn = features_of(network, views, [image for _, image in drawn_pictures])
    shallow = SHALLOW + len(Measures.names())

    is_photo = (quality != "not_fundus") & (quality != "reject")
    stranger = quality == "not_fundus"
    x_gate = np.concatenate([x[is_photo], x[stranger], x_drawn])
    y_gate = np.concatenate([np.ones(is_photo.sum()), np.zeros(stranger.sum() + len(x_drawn))]).astype(int)
    groups = [g for g, keep in zip(views.groups, is_photo, strict=True) if keep]
    groups += [g for g, keep in zip(views.groups, stranger, strict=True) if keep]
    groups += [f"drawn:{i}" for i in range(len(x_drawn))]
    held_out = cross_validated(x_gate, y_gate, groups, GATE_STRENGTH, params)
    good_held_out = held_out[: int(is_photo.sum())][quality[is_photo] == "good"]
    # No good photograph may be refused: the threshold stays well under the least convincing of them.
    threshold = float(min(0.45, 0.8 * good_held_out.min()))

    centre = x[is_photo][:, :shallow]
    mean, covariance = centre.mean(0), np.cov(centre.T)
    values, vectors = np.linalg.eigh(covariance)
    keep = values > values.max() * 1e-6
    axes = vectors[:, keep] / np.sqrt(values[keep])
    distance = np.sqrt(np.mean(((x[:, :shallow] - mean) @ axes) ** 2, axis=1))
    limit = float(max(np.quantile(distance[is_photo], 0.999), 1.3 * distance[quality == "good"].max()))
    away = np.sqrt(np.mean(((x_gate[:, :shallow] - mean) @ axes) ** 2, axis=1))
    refused = (held_out < threshold) | (away > limit)

    labelled = np.isin(quality, ["good", "usable", "reject"])
    y_quality = (quality[labelled] == "reject").astype(int)
    quality_groups = [g for g, k in zip(views.groups, labelled, strict=True) if k]
    x_quality = x[labelled].copy()
    probability = cross_validated(x_quality, y_quality, quality_groups, QUALITY_STRENGTH, params)
    good = quality[labelled] == "good"
    quality_threshold = float(max(0.5, np.quantile(probability[good], KEEP_GOOD)))
    simple = cross_validated(x_quality[:, SHALLOW:shallow], y_quality, quality_groups, 0.1, params)

    entry = {
        "features": {"stride_8": SHALLOW, "measures": Measures.names(), "stride_16": 224},
        "fundus": Head(x_gate, y_gate, GATE_STRENGTH).entry(threshold),
        "quality": Head(x_quality, y_quality, QUALITY_STRENGTH).entry(quality_threshold),
        "distance": {
            "mean": [float(f"{v:.6g}") for v in mean],
            "axes": [[float(f"{v:.6g}") for v in row] for row in axes],
            "limit": limit,
        },
    }
    (work / "gates.json").write_text(json.dumps(entry), encoding="utf-8")
    # What the gates say of every cached photograph; where a label had a part in fitting, the held-out answer stands.
    p_reject = Head(x_quality, y_quality, QUALITY_STRENGTH).probability(x)
    p_reject[labelled] = probability
    p_fundus = Head(x_gate, y_gate, GATE_STRENGTH).probability(x)
    p_fundus[is_photo] = held_out[: int(is_photo.sum())]
    passed = (p_fundus >= threshold) & (distance <= limit) & (p_reject < quality_threshold)
    np.savez(work / "gate_answers.npz", p_fundus=p_fundus, p_reject=p_reject, distance=distance, passed=passed)
    corpus = np.array([g.startswith("nonfundus:") for g in groups])
    made = np.array([g.startswith("drawn:") for g in groups])
    good_rows = np.concatenate([quality[is_photo] == "good", np.zeros(stranger.sum() + len(x_drawn), dtype=bool)])
    report = {
        "not_fundus_refused": wilson(int(refused[corpus].sum()), int(corpus.sum())),
        "drawn_strangers_refused": wilson(int(refused[made].sum()), int(made.sum())),
        "good_photographs_refused": wilson(int(refused[good_rows].sum()), int(good_rows.sum())),
        "photographs_refused": wilson(int(refused[y_gate == 1].sum()), int((y_gate == 1).sum())),
        "strangers_missed": sorted({g for g, r, y in zip(groups, refused, y_gate, strict=True) if y == 0 and not r})[:20],
        "quality_reject_auc": auc_interval(y_quality, probability, quality_groups),
        "quality_reject_auc_without_network": auc_interval(y_quality, simple, quality_groups),
        "good_called_reject": wilson(int((probability[good] >= quality_threshold).sum()), int(good.sum())),
        "reject_called_reject": wilson(int((probability[y_quality == 1] >= quality_threshold).sum()), int(y_quality.sum())),
        "thresholds": {"fundus": threshold, "distance": limit, "quality": quality_threshold},
    }
    (work / "gates_report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


def main() -> None:
    """Run on the corpora, or on the synthetic photographs of a dry run."""
    one_thread()
    params, root = load_params(), corpora_root()
    work = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    if root is None:
        print("XINGLIN_CORPORA is not set: a dry run on synthetic photographs")
        gates(work / "synthetic", work, params.tiny(), drawn=20)
        return
    gates(root, work, params)


if __name__ == "__main__":
    main()
