"""Stage ``reader_export``: the averaged reader as int8 ONNX, thresholds tuned on that graph, sealed as a bundle.

Two graphs come out: ``benchmark.onnx`` with every corpus's own channels (for the published benchmarks; not released) and
the bundle's ``model.onnx`` with the product channels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from safetensors.torch import load_file
from transformers import BertConfig

from inference.reading.span_reader import RawSpan, WindowedReader, keep_flat
from inference.reading.tokens import CharacterTokeniser
from models.bundle import Bundle, encode_array, golden_rows, seal, session_options
from training.datasets.extraction import CHANNEL_INDEX, CORPORA, PRODUCT_TYPES, Document, load_corpus, load_sentences
from training.networks.span_reader import SpanReader
from training.networks.span_reader_serving import export
from training.stages.reader import ReaderParameters, held_out_sentence, patient_fold

log = logging.getLogger("training.reader_export")

WINDOW, OVERLAP = 190, 48
BENCHMARK_LABELS = tuple(f"{corpus}:{kind}" for corpus in ("ccks2017", "ccks2019", "cmeee") for kind in CORPORA[corpus].types)
GRID = np.round(np.arange(-1.6, 1.65, 0.1), 2)
LOWEST = float(GRID[0])

GOLDEN_TEXTS = (
    "患者3天前受凉后出现咳嗽、咳黄痰，伴发热，体温最高39.2℃，无胸痛、咯血。既往高血压病10年，口服氨氯地平。",
    "查体：双肺可闻及湿性啰音，腹软，无压痛。胸部CT示右下肺炎症，血常规白细胞升高。",
    "否认糖尿病、冠心病史，父亲患高血压。行阑尾切除术后2年。",
)
"""Written for the replay; no corpus text."""


@dataclass(frozen=True)
class Judged:
    """Spans of one document: gold and candidates above the lowest threshold."""

    gold: frozenset[tuple[int, int, int]]
    """Start, end, label index."""
    found: list[RawSpan]


def load_network(folder: Path) -> SpanReader:
    """The averaged network of a finished run."""
    network = SpanReader(BertConfig.from_json_file(str(folder / "encoder.json")))
    network.load_state_dict(load_file(folder / "average.safetensors"))
    return network.eval()


def windowed(model: Path, tokeniser: CharacterTokeniser) -> WindowedReader:
    """A reader over one graph file."""
    session = ort.InferenceSession(str(model), session_options(), providers=["CPUExecutionProvider"])
    return WindowedReader(session, tokeniser, WINDOW, OVERLAP)


def judge(reader: WindowedReader, documents: Iterable[Document], labels: Sequence[str], naming: Mapping[str, str]) -> list[Judged]:
    """Run the graph over documents, everything above the lowest threshold; labels outside ``naming`` are silenced.

    Args:
        naming: corpus type to label.
    """
    place = {label: index for index, label in enumerate(labels)}
    wanted = set(naming.values())
    limits = np.array([LOWEST if label in wanted else 1e9 for label in labels], dtype=np.float32)
    return [
        Judged(
            frozenset((s.start, s.end, place[naming[s.type]]) for s in document.spans if s.type in naming),
            reader.run(document.text, limits),
        )
        for document in documents
    ]


def select(found: Sequence[RawSpan], thresholds: Sequence[float], groups: Sequence[int]) -> list[RawSpan]:
    """Spans above their threshold, overlaps inside a group dropped."""
    return keep_flat([span for span in found if span.logit > thresholds[span.channel]], groups)


def tune(judged: Sequence[Judged], labels: int, groups: Sequence[int]) -> list[float]:
    """The threshold of each label with the highest F1 of that label (0 where the label has no gold)."""
    thresholds = [0.0] * labels
    for label in range(labels):
        if not any(key[2] == label for item in judged for key in item.gold):
            continue
        scores = []
        for threshold in GRID:
            gold = predicted = right = 0
            for item in judged:
                own = [span for span in item.found if span.channel == label and span.logit > threshold]
                kept = {(s.start, s.end, label) for s in (keep_flat(own, groups) if groups[label] >= 0 else own)}
                mine = {key for key in item.gold if key[2] == label}
                gold, predicted, right = gold + len(mine), predicted + len(kept), right + len(mine & kept)
            scores.append((2 * right / max(gold + predicted, 1), -abs(float(threshold)), float(threshold)))
        thresholds[label] = max(scores)[2]
    return thresholds


def held_out_2017(corpora: Path) -> list[Document]:
    """The CCKS2017 training patients that were kept out of training."""
    return [d for d in load_corpus(corpora / "extraction", "ccks2017", "train") if patient_fold(d.id) == 0]


PRODUCT_JUDGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("ccks2019", dict(CORPORA["ccks2019"].product)),
    ("ccks2017", {"症状和体征": "symptom"}),
    ("cmeee", {"mic": "microorganism", "equ": "device", "dep": "department"}),
    ("sentences", {"sign": "sign"}),
)
"""Which documents set the threshold of which product label."""


def product_documents(name: str, corpora: Path | None, sentences: Path) -> list[Document]:
    """Documents on which product thresholds are chosen."""
    if name == "sentences":
        return [d for d in load_sentences(sentences) if held_out_sentence(d.id)] if sentences.is_dir() else []
    if corpora is None:
        return []
    if name == "ccks2017":
        return held_out_2017(corpora)
    documents = load_corpus(corpora / "extraction", name, "dev")
    return documents[::2] if name == "cmeee" else documents


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


CARD = """# Reader

Reads a Chinese clinical text once: nested spans of eleven types and the assertion of each.

- **Method**: 4-layer BERT encoder (BAAI/bge-small-zh-v1.5, MIT), one token a code point, GlobalPointer channels with rotary
  positions over spans of at most 40 code points, assertion head on the span's vectors; int8, one pass a window of {window}.
- **Trained on** (research use): CCKS2017, CCKS2018, CCKS2019, CCKS2020 (the part of its own), CMeEE V1, CMDD, cMedQANER,
  IMCS utterances, and the house's own annotated sentences; channels masked where a corpus does not label a type.
- **Boundaries**: disease, imaging, lab_test, procedure, drug and body_part follow CCKS2019; symptom and sign CCKS2017; the
  rest CMeEE.
- **Not for**: deciding anything without the rules and the person that stand behind it; languages other than Chinese.
- **Figures**: `reports/reader.json`.
"""


def run(parameters: ReaderParameters, folder: Path, corpora: Path | None, sentences: Path, out: Path, version: str) -> None:
    """Export, tune and seal."""
    network = load_network(folder)
    tokeniser = CharacterTokeniser.from_file(folder / "tokenizer.json")
    served = {product: parameters.served.get(product, (f"product:{product}",)) for product in PRODUCT_TYPES}
    staging = out.with_name(out.name + ".tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    export(network, [[CHANNEL_INDEX[name] for name in names] for names in served.values()], staging / "model.onnx", True)
    export(network, [[CHANNEL_INDEX[name]] for name in BENCHMARK_LABELS], folder / "benchmark.onnx", True)
    shutil.copy(folder / "tokenizer.json", staging / "tokenizer.json")
    (staging / "CARD.md").write_text(CARD.format(window=WINDOW), encoding="utf-8")

    groups = list(range(len(PRODUCT_TYPES)))
    reader = windowed(staging / "model.onnx", tokeniser)
    thresholds = dict.fromkeys(PRODUCT_TYPES, 0.0)
    for name, naming in PRODUCT_JUDGES:
        documents = product_documents(name, corpora, sentences)
        if documents:
            tuned = tune(judge(reader, documents, PRODUCT_TYPES, naming), len(PRODUCT_TYPES), groups)
            thresholds.update({label: tuned[PRODUCT_TYPES.index(label)] for label in naming.values()})
    log.info("thresholds %s", thresholds)
    session = ort.InferenceSession(str(staging / "model.onnx"), session_options(), providers=["CPUExecutionProvider"])
    inputs = []
    for place, text in enumerate(GOLDEN_TEXTS):
        tokens = tokeniser.encode(text)
        ids = np.full((1, -(-len(tokens) // 32) * 32), tokeniser.pad, dtype=np.int64)
        ids[0, : len(tokens)] = tokens
        limits = np.full(len(PRODUCT_TYPES), 1e9, dtype=np.float32)
        limits[2 * place] = -1e3  # one label's whole band a text: enough numbers to see a drift, few enough to be quick
        inputs.append({"ids": encode_array(ids), "length": encode_array(np.array([len(tokens)])), "thresholds": encode_array(limits)})
    fields = {
        "labels": list(PRODUCT_TYPES),
        "thresholds": thresholds,
        "flat_groups": dict(zip(PRODUCT_TYPES, groups, strict=True)),
        "served_channels": {product: list(names) for product, names in served.items()},
        "window": WINDOW,
        "overlap": OVERLAP,
        "assertions": ["present", "absent", "possible", "family", "historical", "conditional", "other_person"],
        "steps": json.loads((folder / "position.json").read_text(encoding="utf-8"))["step"],
        "datasets": {} if corpora is None else dataset_hashes(parameters, corpora),
    }
    golden = [without_places(row) for row in golden_rows(session, inputs)]
    seal(staging, task="reader", version=version, fields=fields, golden=golden, golden_tolerance=0.5)
    Bundle.open(staging)
    shutil.rmtree(out, ignore_errors=True)
    staging.rename(out)


def without_places(row: dict[str, object]) -> dict[str, object]:
    """Span indices are exact by construction; logits and assertions are what may drift."""
    outputs = row["outputs"]
    assert isinstance(outputs, dict)
    return {**row, "outputs": {name: outputs[name] for name in ("logits", "assertions")}}


def dataset_hashes(parameters: ReaderParameters, corpora: Path) -> dict[str, str]:
    """SHA-256 of every training file."""
    return {
        name: digest(corpora / "extraction" / name / ("part.jsonl.gz" if name == "imcs_utt" else "train.jsonl.gz"))
        for name in parameters.shares
        if name != "sentences"
    }


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--folder", type=Path, default=Path("artifacts/reader"))
    parser.add_argument("--sentences", type=Path, default=Path("knowledge_base/sentences"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/reader_bundle"))
    parser.add_argument("--version", default="1.0.0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    parameters = ReaderParameters.from_file(arguments.params)
    corpora = Path(os.environ["XINGLIN_CORPORA"]) if os.environ.get("XINGLIN_CORPORA") else None
    run(parameters, arguments.folder, corpora, arguments.sentences, arguments.out, arguments.version)


if __name__ == "__main__":
    main()
