"""The whole ranker pipeline on a small knowledge base, in about a minute: every stage of the chain, no corpora."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_contracts.record import Record
from inference.ranking.ranker import Ranker
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase
from models.bundle import Bundle
from training.stages import ranker_corpora, ranker_export, ranker_fuse, ranker_teach, ranker_train, synthesise
from training.stages.ranker_fuse import FuseParameters
from training.stages.ranker_teach import TeachParameters
from training.stages.ranker_train import RankerParameters


class SmallKnowledge(KnowledgeBase):
    """The first entries of the real knowledge, so that views and labels stay few."""

    def __init__(self, kb: KnowledgeBase, diseases: int, thin: int) -> None:
        self.__dict__.update(kb.__dict__)
        self.__dict__.pop("red_flags", None)
        self.__dict__.pop("by_category", None)
        self.__dict__.pop("_red_flags_by_trigger", None)
        self.diseases = dict(list(kb.diseases.items())[:diseases])
        self.thin = dict(list(kb.thin.items())[:thin])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


def test_synthesise_to_fused_bundle(kb: KnowledgeBase, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XINGLIN_CORPORA", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    small = SmallKnowledge(kb, 40, 30)
    cases = folder / "synthesised.jsonl"
    assert synthesise.run(small, synthesise.SynthesiseParameters(per_disease=3), cases) == 120
    monkeypatch.setattr(ranker_corpora, "SYNTHESISED", cases)
    monkeypatch.setattr(ranker_corpora.synthesised, "__defaults__", (cases,))
    queries = folder / "queries.jsonl"
    counts = ranker_corpora.run(small, queries)
    assert counts["train/synthesised"] == 120
    assert counts["train/authored"] > 50 and counts["train/presentation"] > 300
    shares = {"authored": 0.4, "presentation": 0.3, "synthesised": 0.3}
    parameters = RankerParameters(minutes=0.15, tiny=True, refresh_steps=20, token_budget=800, shares=shares)
    run_folder = folder / "ranker"
    loss = ranker_train.run(small, parameters, queries=queries, folder=run_folder)
    assert loss == loss
    resumed = ranker_train.Trainer(
        small, [json.loads(line) for line in queries.read_text().splitlines() if '"train"' in line], parameters, run_folder
    )
    resumed._resume()
    assert resumed.step > 0
    exported = ranker_export.run(small, parameters, folder=run_folder, queries=queries)
    assert exported["parity"]["mean"] > 0.9
    taught = ranker_teach.run(
        small,
        TeachParameters(hidden=32, epochs=2, batch=32),
        bundle_folder=run_folder / "bundle",
        out=run_folder / "taught",
        queries=queries,
        cache=folder / "vectors",
    )
    assert taught["records"] > 10 and taught["loss"] < 4.3, "less than even odds over 70 entries"
    report = ranker_fuse.run(
        small,
        FuseParameters(folds=2, sets={"authored_dev": 1.0}),
        parameters,
        bundle_folder=run_folder / "taught",
        out=run_folder / "released",
    )
    assert report["authored"]["main"]["n"] > 10
    bundle = Bundle.open(run_folder / "released")
    ranker = Ranker(small, bundle)
    reading = Reader(small).read([Record.model_validate({"id": "a", "text": "胸痛2小时，大汗"})])[0]
    assert len(ranker.rank(reading).targets) > 5
    check_added_disease_ranks(small, bundle, folder)


def check_added_disease_ranks(small: KnowledgeBase, bundle: Bundle, state: Path) -> None:
    """Open set: an entry that the bundle has never seen gets vectors and ranks without retraining."""
    wider = SmallKnowledge(small, 40, 30)
    template = next(iter(small.diseases.values()))
    wider.diseases = {**small.diseases, "new_disease": replace(template, id="new_disease", name="新增病", aliases=("新增之病",))}
    ranker = Ranker(wider, bundle, state=state)
    record: dict[str, Any] = {"id": "a", "text": "新增病，疑似新增之病"}
    reading = Reader(wider).read([Record.model_validate(record)])[0]
    assert "new_disease" in [ranker.targets[t] for t in ranker.rank(reading).targets[:10]]
    assert list((state / "vectors").glob("*.npz"))
