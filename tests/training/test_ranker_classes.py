"""The stage `ranker_classes`: what is fitted separates its classes; the bundle is sealed again with everything it held."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_contracts.record import Record
from inference.engine import Engine
from inference.ranking.broad_names import BALANCES
from inference.ranking.classes import CLASSES, mark_hash
from inference.ranking.ranker import Ranker
from models.bundle import RELEASED, Bundle
from training.datasets.diagnosis import Example
from training.stages.ranker_classes import ClassesParameters, Rows, fit_balance, fit_reading, run

PARAMETERS = ClassesParameters(ridges=(1e-3,), iterations=30, least_count=1, keep=200, version="0")
TOLD = {"手脚那一类": ("右手腕扭伤肿痛", "脚踝崴了走不了", "摔伤后手臂疼"), "肚子那一类": ("肚子疼拉稀", "上腹胀，反酸", "吃坏了，呕吐腹泻"), "眼睛那一类": ("眼睛红痒", "看东西模糊", "眼里进了沙子")}  # fmt: skip


def test_a_reading_separates_what_it_was_taught() -> None:
    rng = np.random.default_rng(0)
    labels = [label for label, texts in TOLD.items() for _ in texts for _ in range(4)]
    words = [text for texts in TOLD.values() for text in texts for _ in range(4)]
    marks = [np.array([mark_hash("present:痛")], dtype=np.int64) for _ in words]
    reading, figures = fit_reading(Rows(labels, rng.normal(size=(len(words), 16)).astype(np.float32), words, marks), PARAMETERS)
    assert figures["right_on_a_fifth"] == 1.0 and reading.names == tuple(sorted(TOLD))
    none = np.zeros(0, dtype=np.int64)
    assert reading.names[int(reading.logits(reading.mean, "脚扭伤了，肿", none).argmax())] == "手脚那一类"


def test_a_balance_learns_which_names_are_meant_readily() -> None:
    rng = np.random.default_rng(0)
    shares, cosines = rng.normal(size=(400, 3)), rng.normal(size=(400, 3))
    drawn = 2.0 * shares + np.array([1.5, 0.0, -1.5]) + rng.gumbel(size=(400, 3))
    balance = fit_balance(("皮炎", "鼻炎", "其他"), shares, cosines, drawn.argmax(axis=1), 1e-4)
    assert balance.share == pytest.approx(2.0, abs=0.5) and balance.name == pytest.approx(0.0, abs=0.3)
    assert balance.bias[0] > balance.bias[1] > balance.bias[2]


def without_readings(folder: Path) -> Path:
    """The released ranker as it was before any list was taught."""
    shutil.copytree(RELEASED / "ranker", folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in (CLASSES, BALANCES):
        (folder / name).unlink(missing_ok=True)
        manifest["files"].pop(name, None)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_stage_seals_the_bundle_again_and_the_ranker_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    engine = Engine()
    examples = [
        Example(
            f"t-{label}-{i}", "told", {"id": f"t-{i}", "patient": {}, "text": text}, (f"name:{label}",), f"{label}-{i}", gold_names=(label,)
        )
        for label, texts in TOLD.items()
        for i, text in enumerate(texts)
    ]
    source = without_readings(tmp_path / "source")
    sets = {"sets": {"told": examples}, "balanced": {}}
    figures = run(engine, PARAMETERS, bundle_folder=source, out=tmp_path / "out", cache=tmp_path / "cache", **sets)
    assert figures["told"]["classes"] == 3
    sealed, before = Bundle.open(tmp_path / "out", replay=1), Bundle.open(source, replay=0)
    assert set(before.manifest["files"]) | {CLASSES, BALANCES} == set(sealed.manifest["files"])
    assert sealed.manifest["metrics"] == before.manifest["metrics"]
    reading = engine.reader.read([Record.model_validate({"id": "a", "patient": {}, "text": "脚扭伤，肿痛"})])[0]
    names = ["眼睛那一类", "肚子那一类", "手脚那一类"]
    taught, untaught = Ranker(engine.kb, sealed), Ranker(engine.kb, before)
    assert taught.choose(reading, names)[0][0] == "手脚那一类"
    others = ["踝关节扭伤", "痛风", "骨折", "蜂窝织炎"]
    assert taught.choose(reading, others) == untaught.choose(reading, others)
    again = run(engine, PARAMETERS, bundle_folder=tmp_path / "out", out=tmp_path / "again", cache=tmp_path / "cache", **sets)
    assert again == figures
    cards = [(tmp_path / name / "CARD.md").read_text(encoding="utf-8") for name in ("out", "again")]
    assert cards[0] == cards[1] and cards[0].count("told: 3 classes") == 1
