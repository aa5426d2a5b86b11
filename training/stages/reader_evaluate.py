"""Stage ``reader_evaluate``: strict span and assertion figures on data without a part in training.

Benchmarks go through the int8 graph with the corpora's own channels; served figures through the sealed bundle as the
product uses it. Thresholds of a benchmark come from other documents than those scored: CCKS2017's from held-out training
patients, those of CCKS2019 and CMeEE dev from the other half of dev.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from inference.reading.span_reader import SpanReader as ServedReader
from inference.reading.tokens import CharacterTokeniser
from inference.reading.windows import cut_windows, is_core
from models.bundle import Bundle
from training.datasets.extraction import ASSERTIONS, CORPORA, DIALOGUE_STATUSES, Document, load_corpus, load_sentences
from training.device import mixed_precision
from training.metrics.spans import SpanScore, macro_f1
from training.networks.span_reader import SpanReader
from training.stages.reader import held_out_sentence
from training.stages.reader_export import (
    BENCHMARK_LABELS,
    WINDOW,
    Judged,
    held_out_2017,
    judge,
    load_network,
    select,
    tune,
    windowed,
)

log = logging.getLogger("training.reader_evaluate")


def score(judged: Sequence[Judged], thresholds: Sequence[float], groups: Sequence[int], labels: Sequence[str]) -> SpanScore:
    """Score documents at given thresholds."""
    result = SpanScore()
    for item in judged:
        chosen = select(item.found, thresholds, groups)
        result.add(
            ((start, end, labels[label]) for start, end, label in item.gold),
            ((span.start, span.end, labels[span.channel]) for span in chosen),
        )
    return result


def merge(one: SpanScore, other: SpanScore) -> SpanScore:
    """Counts of two scores together."""
    for kind, counts in other.by_type.items():
        mine = one.by_type.setdefault(kind, type(counts)())
        for name in ("gold", "predicted", "right"):
            setattr(mine, name, getattr(mine, name) + getattr(counts, name))
    for name in ("gold", "predicted", "right"):
        setattr(one.total, name, getattr(one.total, name) + getattr(other.total, name))
    one.errors.update(other.errors)
    one.documents += other.documents
    return one


def benchmark_groups(corpus: str) -> list[int]:
    """Flat corpora: no two spans overlap at all; nested ones: none of one type."""
    return [0 if CORPORA[corpus].flat else place for place in range(len(BENCHMARK_LABELS))]


def span_benchmarks(folder: Path, tokeniser: CharacterTokeniser, corpora: Path) -> dict[str, object]:
    """CCKS2017 test, CCKS2019 dev, CMeEE V1 dev through the int8 graph."""
    reader = windowed(folder / "benchmark.onnx", tokeniser)
    size = len(BENCHMARK_LABELS)
    report: dict[str, object] = {}
    naming = {corpus: {kind: f"{corpus}:{kind}" for kind in CORPORA[corpus].types} for corpus in ("ccks2017", "ccks2019", "cmeee")}
    groups = benchmark_groups("ccks2017")
    limits = tune(judge(reader, held_out_2017(corpora), BENCHMARK_LABELS, naming["ccks2017"]), size, groups)
    judged = judge(reader, load_corpus(corpora / "extraction", "ccks2017", "test"), BENCHMARK_LABELS, naming["ccks2017"])
    report["ccks2017_test"] = score(judged, limits, groups, BENCHMARK_LABELS).report()
    for corpus, name in (("ccks2019", "ccks2019_dev"), ("cmeee", "cmeee_v1_dev")):
        groups = benchmark_groups(corpus)
        judged = judge(reader, load_corpus(corpora / "extraction", corpus, "dev"), BENCHMARK_LABELS, naming[corpus])
        halves = judged[::2], judged[1::2]
        whole = SpanScore()
        for here, there in (halves, halves[::-1]):
            merge(whole, score(here, tune(there, size, groups), groups, BENCHMARK_LABELS))
        report[name] = whole.report()
        report[f"{name}_thresholds_at_0"] = score(judged, [0.0] * size, groups, BENCHMARK_LABELS).report()["f1"]
    return report


def served_benchmarks(bundle: Path, corpora: Path, sentences: Path) -> dict[str, object]:
    """The released bundle, product types, on documents whose guideline the type follows."""
    reader = ServedReader(Bundle.open(bundle))
    report: dict[str, object] = {}
    plans: list[tuple[str, list[Document], dict[str, str]]] = [
        ("ccks2019_dev", load_corpus(corpora / "extraction", "ccks2019", "dev"), dict(CORPORA["ccks2019"].product)),
        ("ccks2017_test", load_corpus(corpora / "extraction", "ccks2017", "test"), {"症状和体征": "symptom"}),
        (
            "cmeee_v1_dev_odd",
            load_corpus(corpora / "extraction", "cmeee", "dev")[1::2],
            {"mic": "microorganism", "equ": "device", "dep": "department"},
        ),
    ]
    for name, documents, naming in plans:
        wanted = set(naming.values())
        result = SpanScore()
        for document, spans in zip(documents, reader.predict([d.text for d in documents]), strict=True):
            named = [(s.start, s.end, "symptom" if s.type == "sign" and "symptom" in wanted else s.type) for s in spans]
            result.add(
                ((s.start, s.end, naming[s.type]) for s in document.spans if s.type in naming),
                (span for span in named if span[2] in wanted),
            )
        report[name] = result.report()
    report.update(sentence_benchmarks(reader, sentences))
    return report


def sentence_benchmarks(reader: ServedReader, sentences: Path) -> dict[str, object]:
    """Held-out annotated sentences: spans, and assertion of the spans that were found."""
    held = [d for d in load_sentences(sentences) if held_out_sentence(d.id)] if sentences.is_dir() else []
    if not held:
        return {}
    result = SpanScore()
    gold_classes: list[str] = []
    said: list[str] = []
    for document, spans in zip(held, reader.predict([d.text for d in held]), strict=True):
        signs = {(s.start, s.end) for s in document.spans if s.type == "sign"}
        gold = {(s.start, s.end, s.type): s.status for s in document.spans if not (s.type == "symptom" and (s.start, s.end) in signs)}
        result.add(gold, ((s.start, s.end, s.type) for s in spans))
        for span in spans:
            status = gold.get((span.start, span.end, span.type))
            if status is not None:
                gold_classes.append(status)
                said.append(max(span.assertion_probabilities, key=lambda name: span.assertion_probabilities[name]))
    macro, classes = macro_f1(gold_classes, said)
    right = sum(one == other for one, other in zip(gold_classes, said, strict=True))
    return {
        "sentences_held_out": result.report(),
        "sentences_held_out_assertion": {
            "spans": len(said),
            "right": right,
            "accuracy": round(right / max(len(said), 1), 4),
            "macro_f1": round(macro, 4),
            "by_class": {name: counts.report() for name, counts in classes.items()},
        },
    }


@torch.no_grad()
def statuses(network: SpanReader, tokeniser: CharacterTokeniser, documents: Sequence[Document], dialogue: bool) -> list[list[Tensor]]:
    """Assertion logits of each document's gold spans that carry a status, from the window that holds each best."""
    answers: list[list[Tensor]] = []
    for document in documents:
        windows = cut_windows(document.text, WINDOW, 64)
        spans = [span for span in document.spans if span.status is not None]
        logits: dict[int, Tensor] = {}
        for place, window in enumerate(windows):
            inside = [
                index
                for index, span in enumerate(spans)
                if window.start <= span.start
                and span.end <= window.end
                and is_core(windows, place, span.start, span.end, len(document.text))
            ]
            if not inside:
                continue
            ids = torch.from_numpy(tokeniser.encode(document.text[window.start : window.end]))[None]
            with mixed_precision(torch.device("cpu")):
                states = network.encode(ids, None)
            starts = torch.tensor([spans[index].start - window.start for index in inside])
            ends = torch.tensor([spans[index].end - window.start for index in inside])
            scores = network.assess(network.span_vectors(states, torch.zeros_like(starts), starts, ends), dialogue)
            logits.update(zip(inside, scores, strict=True))
        answers.append([logits.get(index, torch.zeros(len(DIALOGUE_STATUSES if dialogue else ASSERTIONS))) for index in range(len(spans))])
    return answers


def status_benchmark(
    network: SpanReader, tokeniser: CharacterTokeniser, tuning: Sequence[Document], test: Sequence[Document]
) -> dict[str, object]:
    """CMDD status on gold mentions; additive class offsets chosen for macro-F1 on the tuning documents."""
    scored = {}
    for name, documents in (("tuning", tuning), ("test", test)):
        logits = [row for rows in statuses(network, tokeniser, documents, True) for row in rows]
        gold = [span.status or "" for document in documents for span in document.spans if span.status is not None]
        scored[name] = (torch.stack(logits), gold)
    offsets = max(
        ((0.0, false, uncertain) for false in (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6) for uncertain in (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6)),
        key=lambda offset: macro_f1(scored["tuning"][1], _classes(scored["tuning"][0], offset))[0],
    )
    report: dict[str, object] = {"offsets": dict(zip(DIALOGUE_STATUSES, offsets, strict=True))}
    for name, offset in (("macro_f1_without_offsets", (0.0, 0.0, 0.0)), ("macro_f1", offsets)):
        macro, classes = macro_f1(scored["test"][1], _classes(scored["test"][0], offset))
        report[name] = round(macro, 4)
        report["by_class"] = {kind: counts.report() for kind, counts in classes.items()}
    report["mentions"] = len(scored["test"][1])
    return report


def _classes(logits: Tensor, offsets: tuple[float, ...]) -> list[str]:
    return [DIALOGUE_STATUSES[index] for index in (logits + torch.tensor(offsets)).argmax(-1).tolist()]


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("artifacts/reader"))
    parser.add_argument("--bundle", type=Path, default=Path("artifacts/reader_bundle"))
    parser.add_argument("--sentences", type=Path, default=Path("knowledge_base/sentences"))
    parser.add_argument("--report", type=Path, default=Path("reports/reader.json"))
    parser.add_argument("--parts", nargs="*", default=["spans", "served", "status"])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    corpora = Path(os.environ["XINGLIN_CORPORA"])
    tokeniser = CharacterTokeniser.from_file(arguments.folder / "tokenizer.json")
    known = json.loads(arguments.report.read_text(encoding="utf-8")) if arguments.report.is_file() else {}
    began = time.time()
    if "spans" in arguments.parts:
        known["benchmarks"] = span_benchmarks(arguments.folder, tokeniser, corpora)
    if "served" in arguments.parts:
        known["served"] = served_benchmarks(arguments.bundle, corpora, arguments.sentences)
    if "status" in arguments.parts:
        extraction = corpora / "extraction"
        known["cmdd_test_status"] = status_benchmark(
            load_network(arguments.folder), tokeniser, load_corpus(extraction, "cmdd", "dev")[::2], load_corpus(extraction, "cmdd", "test")
        )
    log.info("evaluated in %.0f s", time.time() - began)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
