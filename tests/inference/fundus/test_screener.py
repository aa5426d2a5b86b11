"""The screener through the released bundle: every bad input answered, the same bits in any batch."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_contracts.problems import Problem
from data_contracts.screen import ScreenResult
from inference.fundus.files import screen_files
from inference.fundus.requests import screen_requests
from inference.fundus.screener import Screener, collect_inputs, side_from_name
from tests.inference.fundus.test_decode import bomb, gif
from training.datasets.fundus_strangers import document, furry, iris_like, noise, plain_disc, round_frame, shapes, stripes, xray_like
from training.datasets.fundus_synthetic import encoded

CORPORA = os.environ.get("XINGLIN_CORPORA")


def bad_inputs() -> dict[str, bytes]:
    rng = np.random.default_rng(99)
    return {
        "cat.jpg": encoded(furry(rng)),
        "framed_cat.jpg": encoded(round_frame(furry(rng))),
        "xray.jpg": encoded(xray_like(rng)),
        "black.png": encoded(Image.new("RGB", (400, 400)), "PNG"),
        "white.png": encoded(Image.new("RGB", (400, 400), (255, 255, 255)), "PNG"),
        "iris.jpg": encoded(iris_like(rng)),
        "document.jpg": encoded(document(rng)),
        "shapes.jpg": encoded(shapes(rng)),
        "stripes.jpg": encoded(stripes(rng)),
        "disc.jpg": encoded(plain_disc(rng)),
        "noise.jpg": encoded(noise(rng)),
        "pixel.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "bomb.png": bomb(30000, 30000),
        "half.jpg": encoded(shapes(rng))[:3000],
        "empty.jpg": b"",
        "animated.gif": gif(),
        "grey.png": encoded(Image.fromarray(rng.integers(0, 255, (300, 300)).astype(np.uint8)), "PNG"),
    }


def test_every_bad_input_is_answered_and_none_is_graded(screener: Screener) -> None:
    inputs = list(bad_inputs().items())
    for (name, _), answer in zip(inputs, screener.screen(inputs), strict=True):
        if isinstance(answer, Problem):
            assert answer.detail
        else:
            assert not answer.gradable and answer.grade is None and answer.referable is None, name
            assert answer.reason and answer.advice is not None, name


def test_batch_of_one_gives_the_same_bits(screener: Screener, photograph: bytes) -> None:
    inputs = [("a", photograph), ("b", bad_inputs()["iris.jpg"]), ("c", photograph)]
    together = screener.screen(inputs)
    alone = [screener.screen([one])[0] for one in inputs]
    assert [t.model_dump_json() for t in together] == [a.model_dump_json() for a in alone]


def referable_logit(screener: Screener, data: bytes) -> float:
    p = screener.read(data).grading.at_least[1]
    return float(np.log(p / (1 - p)))


def variants(image: Image.Image) -> dict[str, bytes]:
    wide = Image.new("RGB", (image.width + 300, image.height + 120))
    wide.paste(image, (200, 40))
    return {
        "border": encoded(wide, quality=95),
        "smaller": encoded(image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS), quality=95),
        "larger": encoded(image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS), quality=95),
        "jpeg 75": encoded(image, quality=75),
        "png": encoded(image, "PNG"),
    }


def test_border_size_and_compression_hardly_move_the_score(screener: Screener, photograph: bytes) -> None:
    image = Image.open(io.BytesIO(photograph)).convert("RGB")
    base = referable_logit(screener, photograph)
    for name, data in variants(image).items():
        assert abs(referable_logit(screener, data) - base) < 0.8, name


@pytest.mark.skipif(not CORPORA, reason="needs the fundus corpora: set XINGLIN_CORPORA")
def test_border_size_and_compression_on_photographs(screener: Screener) -> None:
    from training.datasets.fundus import read_photographs

    assert CORPORA is not None
    moved = []
    for i, (_, _, data) in enumerate(read_photographs(Path(CORPORA) / "fundus", ("rahim600",))):
        if i >= 96:
            break
        if i % 8:
            continue
        image = Image.open(io.BytesIO(data)).convert("RGB")
        base = screener.read(data).grading.at_least[1]
        moved += [abs(screener.read(v).grading.at_least[1] - base) for v in variants(image).values()]
    assert float(np.mean(moved)) < 0.03 and float(np.quantile(moved, 0.95)) < 0.12


def test_answer_fits_the_contract(screener: Screener, photograph: bytes) -> None:
    answer = screener.screen([("x", photograph)])[0]
    assert isinstance(answer, ScreenResult)
    if answer.gradable:
        assert answer.probabilities is not None and sum(answer.probabilities) == pytest.approx(1, abs=1e-4)
        assert answer.p_referable == pytest.approx(sum(answer.probabilities[2:]), abs=1e-4)


def test_heat_map_is_a_png(screener: Screener, photograph: bytes) -> None:
    overlay = Image.open(io.BytesIO(screener.heat_map_png(photograph)))
    assert overlay.format == "PNG" and max(overlay.size) <= 768


def test_requests_in_base64(screener: Screener, photograph: bytes) -> None:
    text = base64.b64encode(photograph).decode()
    good, headed, bad, empty = screen_requests(
        screener,
        [{"id": "a", "image": text}, {"id": "b", "image": f"data:image/jpeg;base64,{text}"}, {"id": "c", "image": "%%%"}, {"id": "d"}],
    )
    assert isinstance(good, ScreenResult) and isinstance(headed, ScreenResult)
    assert good.model_dump(exclude={"id"}) == headed.model_dump(exclude={"id"})
    assert isinstance(bad, Problem) and isinstance(empty, Problem)


def test_folder_in_order_and_strangers_passed_over(screener: Screener, photograph: bytes, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x_left.jpg").write_bytes(photograph)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no photograph")
    assert [name for name, _ in collect_inputs(tmp_path)] == ["a.png", "b/x_left.jpg"]
    sink = io.BytesIO()
    screen_files(screener, tmp_path, sink)
    first, second = (json.loads(line) for line in sink.getvalue().splitlines())
    assert first["id"] == "a.png" and "空" in first["error"]["detail"]
    assert second["id"] == "b/x_left.jpg" and second["laterality"] == "left"


def test_patients_file(screener: Screener, photograph: bytes, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(photograph)
    table = tmp_path / "patients.csv"
    table.write_text("image,patient,eye\n1.jpg,p1,左\nmissing.jpg,p1,右\n../patients.csv,p2,OD\n", encoding="utf-8")
    sink = io.BytesIO()
    screen_files(screener, photos, sink, patients=table)
    one, two = (json.loads(line) for line in sink.getvalue().splitlines())
    assert one["id"] == "p1" and len(one["eyes"]) == 2
    assert two["id"] == "p2" and two["gradable"] is False


def test_nothing_is_kept_unless_asked(screener: Screener, photograph: bytes, tmp_path: Path) -> None:
    keeping = Screener(screener.bundle, keep=tmp_path / "kept")
    exif = Image.Exif()
    exif[0x010E] = "ZHANG SAN"
    stream = io.BytesIO()
    Image.open(io.BytesIO(photograph)).save(stream, "JPEG", exif=exif)
    keeping.screen([("zhang_san.jpg", stream.getvalue()), ("again.jpg", stream.getvalue())])
    (kept,) = (tmp_path / "kept").iterdir()
    assert b"ZHANG" not in kept.read_bytes() and "zhang" not in kept.name
    assert not Image.open(kept).getexif()


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("1_left.jpg", "left"), ("a/12-OD.png", "right"), ("OS 3.dcm", "left"), ("right.jpeg", "right"), ("leftover.jpg", None),
        ("left_right.jpg", None), ("model.jpg", None),
    ],
)  # fmt: skip
def test_side_from_name(name: str, side: str | None) -> None:
    assert side_from_name(name) == side
