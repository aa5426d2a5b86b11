"""The reader's data, masks, loss, a tiny run from start to sealed bundle, and its parity."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.reading.span_reader import ASSERTIONS
from inference.reading.span_reader import SpanReader as ServedReader
from inference.reading.tokens import CharacterTokeniser
from models.bundle import Bundle
from training.datasets.extraction import (
    CHANNELS,
    CORPORA,
    PRODUCT_TYPES,
    SWAP,
    Document,
    LabelledSpan,
    active_channels,
    cut_document,
    load_corpus,
    load_sentences,
    swapped,
)
from training.datasets.reader_batches import Share, collate, plan_round
from training.metrics.spans import SpanScore, macro_f1
from training.networks.span_reader import BAND, EncoderSize, SpanReader, span_loss, take_band
from training.stages.reader import ReaderParameters, Trainer, disturbed, start_tokeniser, train
from training.stages.reader_export import load_network, run

SENTENCES = [
    ("患者发热3天，无咳嗽。", [("发热", "symptom", "present"), ("咳嗽", "symptom", "absent")]),
    ("既往高血压病10年，口服氨氯地平。", [("高血压病", "disease", "present"), ("氨氯地平", "drug", "present")]),
    ("父亲患糖尿病，腹部压痛阳性。", [("糖尿病", "disease", "family"), ("压痛", "sign", "present"), ("腹部", "body_part", "present")]),
    ("胸部CT未见异常，血常规正常。", [("胸部CT", "imaging", "present"), ("血常规", "lab_test", "present")]),
]


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    folder = tmp_path / "sentences"
    folder.mkdir()
    rows = []
    for number in range(24):
        text, entities = SENTENCES[number % len(SENTENCES)]
        found = [
            {"start": text.index(part), "end": text.index(part) + len(part), "type": kind, "text": part, "assertion": status}
            for part, kind, status in entities
        ]
        rows.append(json.dumps({"id": f"s-{number:03d}", "text": text, "entities": found}, ensure_ascii=False))
    (folder / "own.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_band_is_start_by_width() -> None:
    scores = torch.arange(25.0).reshape(5, 5)
    band = take_band(scores, 3)
    assert band.shape == (5, 3)
    for start in range(5):
        for width in range(3):
            expected = scores[start, start + width] if start + width < 5 else torch.tensor(0.0)
            assert band[start, width] == expected


def test_masked_cells_have_no_gradient() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 6, 4, requires_grad=True)
    positive = torch.rand(2, 3, 6, 4) < 0.2
    valid = torch.rand(2, 3, 6, 4) < 0.5
    span_loss(scores, positive, valid).backward()
    assert scores.grad is not None
    assert torch.all(scores.grad[~valid] == 0)
    assert torch.any(scores.grad[valid] != 0)


def test_channels_of_other_corpora_have_no_gradient() -> None:
    document = Document("a", "ccks2019", "右肺炎症", (LabelledSpan(0, 4, "疾病和诊断"),))
    tokeniser = start_tokeniser(None, {"ccks2019": [document]})
    network = SpanReader.random(EncoderSize(), max(tokeniser.vocabulary.values()) + 1)
    batch = collate([document], tokeniser)
    span_loss(network.score_band(network.encode(batch.ids, batch.mask), batch.channels), batch.positive, batch.valid).backward()
    grad = network.head_weight.grad
    assert grad is not None
    active = set(batch.channels)
    assert {CHANNELS[i] for i in active} == set(active_channels("ccks2019"))
    for channel in range(len(CHANNELS)):
        assert bool(grad[channel].any()) == (channel in active), CHANNELS[channel]


def test_cuts_keep_spans_in_place() -> None:
    text = "发热，咳嗽。" * 60
    spans = tuple(LabelledSpan(i, i + 2, "symptom") for i in range(0, len(text), 3))
    pieces = cut_document(Document("a", "cmdd", text, spans), 50, None)
    assert "".join(piece.text for piece in pieces) == text
    assert sum(len(piece.spans) for piece in pieces) == len(spans)
    assert all(piece.text[s.start : s.end] in {"发热", "咳嗽"} for piece in pieces for s in piece.spans)


def test_swap_is_its_own_inverse() -> None:
    document = Document("a", "ccks2019", "右上肺双侧", ())
    assert swapped(swapped(document)) == document
    assert "全麻上行".translate(SWAP) == "全麻下行"


def test_plan_depends_on_the_seed_alone(sentences: Path) -> None:
    documents = {"sentences": load_sentences(sentences)}
    plans = [plan_round(documents, {"sentences": Share(1.5)}, seed, 190, 200) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_disturbed_stands_a_step_along_the_gradient_and_comes_back() -> None:
    embedding = torch.nn.Parameter(torch.randn(5, 4))
    kept = embedding.detach().clone()
    (embedding.square().sum() / 3).backward()
    gradient = embedding.grad
    assert gradient is not None
    with disturbed(embedding, 0.5):
        step = (embedding - kept).detach()
    assert step.norm() == pytest.approx(0.5, abs=1e-5)
    assert torch.allclose(step / step.norm(), gradient / gradient.norm(), atol=1e-5)
    assert torch.equal(embedding, kept)


def test_the_disturbed_pass_adds_gradients_late_in_the_run_only(sentences: Path, tmp_path: Path) -> None:
    documents = load_sentences(sentences)
    tokeniser = start_tokeniser(None, {"sentences": documents})
    batch = collate(documents[:4], tokeniser)
    weights = {False: torch.ones(len(ASSERTIONS)), True: torch.ones(3)}
    torch.manual_seed(0)
    network = SpanReader.random(EncoderSize(), max(tokeniser.vocabulary.values()) + 1).eval()
    parameters = ReaderParameters(accumulate=1, adversarial=1.0, adversarial_from=0.6)
    trainer = Trainer(network, parameters, tmp_path)
    norms = {}
    for progress in (0.5, 0.7):
        network.zero_grad()
        trainer.backward(batch, weights, progress)
        norms[progress] = float(torch.nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None]))
    assert norms[0.7] > 1.5 * norms[0.5]


def test_batches_from_other_processes_are_the_same(sentences: Path, tmp_path: Path) -> None:
    def averaged(workers: int) -> dict[str, torch.Tensor]:
        parameters = ReaderParameters(rounds=1, token_budget=120, shares={"sentences": 1.0}, random_encoder=True, workers=workers)
        return train(parameters, None, sentences, None, tmp_path / str(workers)).average

    alone, beside = averaged(0), averaged(1)
    assert all(torch.equal(alone[name], beside[name]) for name in alone)


def test_tiny_run_resumes_and_serves(sentences: Path, tmp_path: Path) -> None:
    parameters = ReaderParameters(
        rounds=10, token_budget=120, accumulate=1, encoder_rate=3e-3, head_rate=1e-2, averaging=0.9,
        checkpoint_every=5, shares={"sentences": 1.0}, random_encoder=True,
    )  # fmt: skip
    folder = tmp_path / "run"
    trainer = train(parameters, None, sentences, None, folder)
    again = train(parameters, None, sentences, None, folder)
    assert again.step == trainer.step
    for name, tensor in again.average.items():
        assert torch.equal(tensor, trainer.average[name])

    out = tmp_path / "reader"
    run(parameters, folder, None, sentences, out, "0.0.1")
    bundle = Bundle.open(out)
    reader = ServedReader(bundle)
    texts = [text for text, _ in SENTENCES]
    answers = reader.predict(texts)
    assert answers == [reader.predict([text])[0] for text in texts], "a batch and single calls give the same bits"
    for text, spans in zip(texts, answers, strict=True):
        for span in spans:
            assert 0 <= span.start < span.end <= len(text) and span.type in PRODUCT_TYPES
            assert set(span.assertion_probabilities) == set(ASSERTIONS)
            assert sum(span.assertion_probabilities.values()) == pytest.approx(1.0)
    assert sum(len(spans) for spans in answers) > 0
    assert reader.predict(["", "\x00\ud800", "无" * 3000])[0] == []

    network = load_network(folder)
    tokeniser = CharacterTokeniser.from_file(out / "tokenizer.json")
    ids = tokeniser.encode(texts[1])
    padded = np.zeros((1, 32), dtype=np.int64)
    padded[0, : len(ids)] = ids
    feed = {"ids": padded, "length": np.array([len(ids)]), "thresholds": np.full(len(PRODUCT_TYPES), -1e3, np.float32)}
    spans, logits, _ = bundle.session("model.onnx").run(None, feed)
    with torch.no_grad():
        band = network.score_band(network.encode(torch.from_numpy(ids)[None], None), range(len(PRODUCT_TYPES)))[0]
    expected = np.array([float(band[label, first, last - first]) for label, first, last in spans.tolist()])
    assert len(spans) == sum(min(BAND, len(texts[1]) - start) for start in range(len(texts[1]))) * len(PRODUCT_TYPES)
    assert np.corrcoef(expected, logits)[0, 1] > 0.98, "int8 graph follows the network"


def test_score_kinds() -> None:
    result = SpanScore()
    result.add({(0, 4, "a"), (6, 8, "b"), (10, 12, "a")}, {(0, 5, "a"), (6, 8, "a"), (20, 22, "b")})
    assert (result.total.gold, result.total.predicted, result.total.right) == (3, 3, 0)
    assert result.errors["too_long"] == 1 and result.errors["wrong_type"] == 1 and result.errors["invented"] == 1
    assert result.errors["missed"] == 1
    assert macro_f1(["x", "y"], ["x", "x"])[0] == pytest.approx(1 / 3)


@pytest.mark.skipif(not os.environ.get("XINGLIN_CORPORA"), reason="needs the research corpora")
@pytest.mark.parametrize("name", ["ccks2017", "ccks2018", "ccks2019", "ccks2020_new", "cmedqaner", "imcs_utt"])
def test_gold_spans_survive_tokens(name: str) -> None:
    root = Path(os.environ["XINGLIN_CORPORA"]) / "extraction"
    documents = load_corpus(root, name, "part" if name == "imcs_utt" else "train")
    kinds = set(CORPORA[documents[0].corpus].types)
    for document in documents:
        assert all(0 <= s.start < s.end <= len(document.text) and s.type in kinds for s in document.spans)
        pieces = cut_document(document, 190, None)
        assert "".join(piece.text for piece in pieces) == document.text
