"""The whole fundus chain on synthetic photographs: prepare, train, gates, calibrate, export, evaluate, screen."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from data_contracts.screen import ScreenResult
from inference.fundus.screener import Screener
from models.bundle import Bundle
from training.datasets.fundus import read_photographs


@pytest.mark.slow
def test_chain_from_photographs_to_a_bundle_that_screens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XINGLIN_CORPORA", "XINGLIN_FUNDUS_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def stage(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        importlib.import_module(f"training.stages.fundus_{name}").main()
        return capsys.readouterr().out

    assert "XINGLIN_CORPORA is not set" in stage("prepare")
    assert "auc_rahim600" in stage("train", "loso_rahim600", "cv_0", "cv_1", "final")
    assert "already there" in stage("train", "final")
    stage("linear")
    stage("gates")
    stage("calibrate")
    stage("evaluate")
    stage("export", "--target", "bundle", "--version", "0")
    stage("verify", "--bundle", "bundle", "--every", "8")
    report = json.loads(Path("artifacts/fundus/report.json").read_text(encoding="utf-8"))
    assert 0 <= report["loso"]["rahim600"]["referable_auc"]["value"] <= 1
    _, _, data = next(read_photographs(tmp_path / "artifacts/fundus/synthetic", ("rahim600",)))
    answer = Screener(Bundle.open(tmp_path / "bundle", replay=3)).screen([("x", data)])[0]
    assert isinstance(answer, ScreenResult)
