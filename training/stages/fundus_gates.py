"""Stage: the two gates before grading (is it a fundus photograph; is it good enough) on ImageNet features.

Only EyePACS has quality labels, and a head fitted on them alone takes another camera's softness for a poor photograph (it
refused half of APTOS). So photographs of the other sources stand beside them: as they are and mildly changed (doctors
graded them), and spoilt by rule beyond grading.

Writes `gates.json` for the bundle, `gate_answers.npz` and `gates_report.json` with group-wise cross-validated figures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
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
from training.datasets.fundus_degraded import mild, spoilt
from training.datasets.fundus_strangers import strangers
from training.metrics.fundus import auc_interval, wilson
from training.networks.efficientnet_lite import FundusNet, ServingNet
from training.stages.fundus_data import Cache
from training.stages.fundus_linear import gate_features, joined
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

DRAWN_STRANGERS = 400
#: Inverse ridge penalties, chosen on the folds.
QUALITY_STRENGTH = 0.01
GATE_STRENGTH = 0.03
#: The quality head may call "reject" only where this share of the good photographs, and of each other source, stays.
KEEP_GOOD = 0.99
KEEP_OTHERS = 0.9
#: Photographs a source that are changed mildly and spoilt; the EyeQ labels together weigh this share of the fit.
DEGRADED = {"aptos2019": 120, "odir": 120, "rahim600": 80, "idrid_seg": 40}
EYEQ_SHARE = 0.8


def features_of(network: ServingNet, cache: Cache, images: list[Image.Image]) -> np.ndarray:
    """Gate features (stride 8: 80, measures, stride 16: 224) of pictures that are not in the cache."""
    settings = cache.preprocessing
    rows = []
    for image in images:
        retina = find_retina(image)
        band_image, shown = crop(image, retina, settings.diameter, settings.height)
        band = np.asarray(band_image)
        valid = shown & disc(settings.diameter, settings.height, settings.rim)
        evened = even_out(band, valid, settings)
        with torch.no_grad():
            gate = network.gate(torch.from_numpy(network_input(evened, settings)[None])).numpy()
            rows.append(joined(gate, np.asarray([measure(band, valid, evened, retina).values()])))
    return np.concatenate(rows)


class Head:
    """A logistic head on standardised features, ridge-penalised, classes weighed alike."""

    def __init__(self, x: np.ndarray, y: np.ndarray, strength: float, weight: np.ndarray | None = None) -> None:
        self.mean, self.scale = x.mean(0), x.std(0) + 1e-3
        model = LogisticRegression(C=strength, class_weight="balanced" if weight is None else None, max_iter=2000)
        model.fit(self.standard(x), y, sample_weight=weight)
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


def cross_validated(
    x: np.ndarray, y: np.ndarray, groups: list[str], strength: float, params: FundusParams, weight: np.ndarray | None = None
) -> np.ndarray:
    """Held-out probability of every row."""
    fold = grouped_folds(groups, params.folds, params.seed)
    out = np.zeros(len(y))
    for k in range(params.folds):
        if (fold == k).any():
            head = Head(x[fold != k], y[fold != k], strength, None if weight is None else weight[fold != k])
            out[fold == k] = head.probability(x[fold == k])
    return out


@dataclass(frozen=True)
class QualityRows:
    """What the quality head is fitted on.

    Attributes:
        x: (n, features).
        y: 1 not gradable.
        kind: "eyeq", "plain", "mild" or "spoilt".
        source, group: of the photograph.
        weight: share of the fit.
        row: row of the cache, or -1.
    """

    x: np.ndarray
    y: np.ndarray
    kind: np.ndarray
    source: np.ndarray
    group: list[str]
    weight: np.ndarray
    row: np.ndarray


def quality_rows(
    root: Path, cache: Cache, network: ServingNet, x: np.ndarray, params: FundusParams, drawn: Mapping[str, int]
) -> QualityRows:
    """EyeQ's photographs with their labels, the other graded sources as gradable, and drawn ones mildly changed and spoilt."""
    rng = np.random.default_rng(params.seed)
    quality, sources = np.array([p.quality or "" for p in cache.photographs]), cache.sources
    eyeq = np.flatnonzero(np.isin(quality, ["good", "usable", "reject"]))
    # ODIR's eyes without a grade are left out: cataracts are among them.
    plain = np.flatnonzero((quality == "") & np.isin(sources, list(drawn)) & ((cache.grades >= 0) | (sources == "idrid_seg")))
    chosen = set[int]()
    for source, count in drawn.items():
        of = plain[sources[plain] == source]
        chosen |= set(rng.choice(of, min(count, len(of)), replace=False).tolist())
    row_of = {(cache.photographs[r].source, cache.photographs[r].name): r for r in chosen}
    rows: list[int] = []
    changed: dict[str, list[Image.Image]] = {"mild": [], "spoilt": []}
    for source, name, data in read_photographs(root, tuple(drawn)):
        if (source, name) in row_of:
            rgb = decode(data).rgb
            retina = find_retina(rgb)
            rows.append(row_of[source, name])
            changed["mild"].append(mild(rgb, retina, rng))
            changed["spoilt"].append(spoilt(rgb, retina, rng))
    made = np.array(rows)
    every = np.concatenate([eyeq, plain, made, made])
    kind = np.array(["eyeq"] * len(eyeq) + ["plain"] * len(plain) + ["mild"] * len(made) + ["spoilt"] * len(made))
    y = np.where(kind == "eyeq", quality[every] == "reject", kind == "spoilt").astype(int)
    features = np.concatenate([x[eyeq], x[plain], *(features_of(network, cache, changed[k]) for k in ("mild", "spoilt"))])
    weight = np.zeros(len(y))
    for label in (0, 1):
        in_eyeq = (kind == "eyeq") & (y == label)
        weight[in_eyeq] = EYEQ_SHARE / 2 / in_eyeq.sum()
        parts = [(kind == k) & (sources[every] == s) & (y == label) for k in ("plain", "mild", "spoilt") for s in drawn]
        parts = [part for part in parts if part.any()]
        for part in parts:
            weight[part] = (1 - EYEQ_SHARE) / 2 / len(parts) / part.sum()
    cached = np.where(np.isin(kind, ["eyeq", "plain"]), every, -1)
    return QualityRows(features, y, kind, sources[every], [cache.groups[r] for r in every], weight * len(y), cached)


def quality_gate(rows: QualityRows, params: FundusParams) -> tuple[Head, float, np.ndarray, dict[str, Any]]:
    """The head, its threshold, the held-out probability of every row, and figures."""
    probability = cross_validated(rows.x, rows.y, rows.group, QUALITY_STRENGTH, params, rows.weight)
    eyeq, plain = rows.kind == "eyeq", rows.kind == "plain"
    good = eyeq & (rows.y == 0)
    others = [s for s in np.unique(rows.source[plain])]
    kept = [np.quantile(probability[good], KEEP_GOOD), *(np.quantile(probability[plain & (rows.source == s)], KEEP_OTHERS) for s in others)]
    threshold = float(max(0.5, *kept))
    refused = probability >= threshold

    def share(part: np.ndarray) -> dict[str, Any]:
        return wilson(int(refused[part].sum()), int(part.sum()))

    unseen: dict[str, Any] = {}
    for source in others:
        out = (rows.source == source) & ~eyeq
        head = Head(rows.x[~out], rows.y[~out], QUALITY_STRENGTH, rows.weight[~out])
        called = head.probability(rows.x[out]) >= threshold
        unseen[source] = {
            k: wilson(int(called[rows.kind[out] == k].sum()), int((rows.kind[out] == k).sum())) for k in ("plain", "mild", "spoilt")
        }
    labelled = [g for g, e in zip(rows.group, eyeq, strict=True) if e]
    shallow = SHALLOW + len(Measures.names())
    simple = cross_validated(rows.x[eyeq][:, SHALLOW:shallow], rows.y[eyeq], labelled, 0.1, params)
    figures = {
        "quality_reject_auc": auc_interval(rows.y[eyeq], probability[eyeq], labelled),
        "quality_reject_auc_without_network": auc_interval(rows.y[eyeq], simple, labelled),
        "good_or_usable_called_reject": share(good),
        "reject_called_reject": share(eyeq & (rows.y == 1)),
        "called_reject": {s: {k: share((rows.source == s) & (rows.kind == k)) for k in ("plain", "mild", "spoilt")} for s in others},
        "called_reject_by_a_head_without_the_source": unseen,
    }
    return Head(rows.x, rows.y, QUALITY_STRENGTH, rows.weight), threshold, probability, figures


def gates(root: Path, work: Path, params: FundusParams, drawn: int = DRAWN_STRANGERS, degraded: Mapping[str, int] = DEGRADED) -> None:
    """Fit both heads and the distance; write them with their figures."""
    cache = Cache.load(work)
    imagenet = backbone().eval()
    network = ServingNet(FundusNet(imagenet), imagenet).eval()
    x = gate_features(cache, work)
    quality = np.array([p.quality or "" for p in cache.photographs])
    photographs = [decode(data).rgb for _, _, data in list(read_photographs(root, ("drive",)))[:8]]
    drawn_pictures = strangers(drawn, params.seed, photographs)
    x_drawn = features_of(network, cache, [image for _, image in drawn_pictures])
    shallow = SHALLOW + len(Measures.names())

    is_photo = (quality != "not_fundus") & (quality != "reject")
    stranger = quality == "not_fundus"
    x_gate = np.concatenate([x[is_photo], x[stranger], x_drawn])
    y_gate = np.concatenate([np.ones(is_photo.sum()), np.zeros(stranger.sum() + len(x_drawn))]).astype(int)
    groups = [g for g, keep in zip(cache.groups, is_photo, strict=True) if keep]
    groups += [g for g, keep in zip(cache.groups, stranger, strict=True) if keep]
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

    rows = quality_rows(root, cache, network, x, params, degraded)
    quality_head, quality_threshold, probability, quality_figures = quality_gate(rows, params)

    entry = {
        "features": {"stride_8": SHALLOW, "measures": Measures.names(), "stride_16": 224},
        "fundus": Head(x_gate, y_gate, GATE_STRENGTH).entry(threshold),
        "quality": quality_head.entry(quality_threshold),
        "distance": {
            "mean": [float(f"{v:.6g}") for v in mean],
            "axes": [[float(f"{v:.6g}") for v in row] for row in axes],
            "limit": limit,
        },
    }
    (work / "gates.json").write_text(json.dumps(entry), encoding="utf-8")
    # What the gates say of every cached photograph; where a label had a part in fitting, the held-out answer stands.
    p_reject = quality_head.probability(x)
    cached = rows.row >= 0
    p_reject[rows.row[cached]] = probability[cached]
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
        **quality_figures,
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
        gates(work / "synthetic", work, params.tiny(), drawn=20, degraded=dict.fromkeys(DEGRADED, 4))
        return
    gates(root, work, params)


if __name__ == "__main__":
    main()
