"""The normal form hardly changes with border, size, compression or the frame's cut."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from inference.fundus.retina import Preprocessing, find_retina, normal_form
from training.datasets.fundus_synthetic import synthetic_fundus

SETTINGS = Preprocessing()


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return synthetic_fundus(np.random.default_rng(2), size=(900, 900), lesions=10)[0]


def difference(a: Image.Image, b: Image.Image) -> float:
    one, valid_one, _ = normal_form(a, SETTINGS)
    two, valid_two, _ = normal_form(b, SETTINGS)
    both = valid_one & valid_two
    return float(np.abs(one - two)[both].mean())


def bordered(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    out = Image.new("RGB", (image.width + left + right, image.height + top + bottom), (3, 3, 3))
    out.paste(image, (left, top))
    return out


def test_circle_is_found(image: Image.Image) -> None:
    retina = find_retina(image)
    assert retina.x == pytest.approx(450, abs=5) and retina.y == pytest.approx(450, abs=5)
    assert retina.radius == pytest.approx(448, rel=0.015)
    assert retina.roundness > 0.5 and retina.fill > 0.95


def test_border_changes_nothing(image: Image.Image) -> None:
    wide = bordered(image, 400, 30, 150, 60)
    retina = find_retina(wide)
    assert retina.x == pytest.approx(850, abs=8) and retina.y == pytest.approx(480, abs=8)
    assert difference(image, wide) < 0.02


@pytest.mark.parametrize("border", [(900, 0, 900, 0), (0, 700, 0, 100), (1200, 1200, 1200, 1200)])
def test_circle_is_fitted_as_well_within_a_wide_border(image: Image.Image, border: tuple[int, int, int, int]) -> None:
    plain, wide = find_retina(image), find_retina(bordered(image, *border))
    assert wide.radius == pytest.approx(plain.radius, rel=0.004)
    assert wide.x - border[0] == pytest.approx(plain.x, abs=3) and wide.y - border[1] == pytest.approx(plain.y, abs=3)


@pytest.mark.parametrize("side", [450, 600, 1500])
def test_size_changes_little(image: Image.Image, side: int) -> None:
    assert difference(image, image.resize((side, side), Image.Resampling.LANCZOS)) < 0.02


@pytest.mark.parametrize("quality", [60, 80, 95])
def test_jpeg_changes_little(image: Image.Image, quality: int) -> None:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    assert difference(image, Image.open(stream).convert("RGB")) < 0.02


def test_frame_cut_above_and_below_is_invisible(image: Image.Image) -> None:
    cut = image.crop((0, 112, 900, 788))
    assert find_retina(cut).radius == pytest.approx(448, rel=0.02)
    assert difference(image, cut) < 0.02


def test_no_retina_does_not_fail() -> None:
    retina = find_retina(Image.new("RGB", (300, 200)))
    assert retina.fill == 0.0 and retina.roundness == 0.0
