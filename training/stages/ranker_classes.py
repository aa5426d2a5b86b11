"""Stage `ranker_classes`: class readings of the sets that have class names and a train part, and balances of those that have none.

    python -m training.stages.ranker_classes --bundle models/released/ranker --out build/training/ranker/classes_bundle

Records are read and encoded once through `inference` and cached by bundle, knowledge and reader. The ridge of each set is chosen on a
fifth of its training records; training records that stand word for word in a held-out part are left out. A set without a train
part (dialmed) is only balanced: two weights and a bias for each name, fitted on its development part, judged out of fold.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field
from scipy.optimize import minimize

from data_contracts.record import Record
from inference.engine import Engine
from inference.facts import facts_of
from inference.ranking import broad_names
from inference.ranking.broad_names import BALANCES, ListBalance
from inference.ranking.classes import (
    CLASSES,
    MARK_SCALE,
    NGRAM_SCALE,
    VECTOR_SCALE,
    ClassReading,
    marks_of,
    words_of,
    write,
)
from inference.ranking.lexical import BITS, buckets, weighted
from inference.ranking.ranker import Ranker
from inference.ranking.rendering import render
from models.bundle import GOLDEN, Bundle, seal
from training.datasets.diagnosis import Example, complaints, corpora, dialmed, symptom_lists
from training.parameters import Parameters, load_block
from training.stages.ranker_teach import CACHE as VECTORS
from training.stages.ranker_teach import vectors_of
from training.tracking import run_of, source_commit

log = logging.getLogger("training.classes")
CACHE = Path("build/training/classes")
OUT = Path("build/training/ranker/classes_bundle")
CARD = "\nClass readings (`classes.npz`), a linear reading for each list of class names that a training set has taught:\n\n"
RESEALED = ("task", "version", "format_version", "created", "files", "golden_tolerance", "classes", "classes_run")
"""Manifest fields that sealing writes anew."""
Floats = npt.NDArray[np.float32]


class ClassesParameters(Parameters):
    """How class readings are fitted."""

    ridges: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2)
    iterations: int = 60
    least_count: int = 3
    """Records of a training set in which an n-gram or a mark must occur."""
    keep: int = Field(default=16000, gt=0)
    """N-grams a list at most, those that differ most between its classes."""
    balance_strength: float = 3e-4
    """Ridge on the biases of a balanced list."""
    folds: int = 5
    version: str = "1"


@dataclass(frozen=True)
class Rows:
    """What the readings are fitted on: labels (n,), unit vectors (n, hidden), words and mark hashes of each record."""

    labels: list[str]
    vectors: Floats
    words: list[str]
    marks: list[npt.NDArray[np.int64]]


def taught_sets(folder: Path) -> dict[str, list[Example]]:
    """Training records whose labels are class names, by set, without those that a held-out part of the set repeats."""
    parts = {"triage": (complaints(folder, "train"), complaints(folder, "dev"))}
    parts |= {name: (symptom_lists(folder, name, "train"), symptom_lists(folder, name, "test")) for name in ("mz10", "mz4", "dxy")}
    found = {}
    for name, (train, held) in parts.items():
        seen = {e.record["text"] for e in held}
        found[name] = [e for e in train if e.record["text"] not in seen]
        log.info("%s: %d training records left out, a held-out part repeats them", name, len(train) - len(found[name]))
    return found


def rows_of(ranker: Ranker, engine: Engine, examples: Sequence[Example], name: str, cache: Path) -> Rows:
    """Read and encode the examples; what was read is kept by knowledge and reader, vectors by text and encoder."""
    assert ranker.semantic is not None
    read = cache / f"{name}-{engine.kb.version}-{engine.reader.version}.json"
    if not read.exists():
        rows = []
        for example in examples:
            reading = engine.reader.read([Record.model_validate(example.record)])[0]
            rows.append([example.gold_names[0], words_of(reading), marks_of(reading).tolist(), render(reading)])
        cache.mkdir(parents=True, exist_ok=True)
        read.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    labels, words, marks, texts = zip(*json.loads(read.read_text(encoding="utf-8")), strict=True)
    vectors = vectors_of(texts, ranker.semantic.encoder, VECTORS)
    return Rows(list(labels), vectors, list(words), [np.array(m, dtype=np.int64) for m in marks])


def fit_softmax(
    dense: Floats, x: sp.csr_matrix, y: npt.NDArray[np.int64], classes: int, ridge: float, iterations: int
) -> tuple[Floats, Floats]:
    """Ridge-penalised multinomial logistic regression over dense and sparse features: weights (features, classes), dense first; bias."""
    n, wide = dense.shape
    features = wide + x.shape[1]
    turned = x.T.tocsr()

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        single = flat.astype(np.float32)
        weights, bias = single[: features * classes].reshape(features, classes), single[features * classes :]
        logits = dense @ weights[:wide] + np.asarray(x @ weights[wide:]) + bias
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        value = -np.log(np.maximum(p[np.arange(n), y], 1e-12)).mean() + 0.5 * ridge * float((weights * weights).sum())
        p[np.arange(n), y] -= 1
        p /= n
        gradient = np.concatenate([dense.T @ p, np.asarray(turned @ p)]) + ridge * weights
        return float(value), np.concatenate([gradient.ravel(), p.sum(axis=0)]).astype(np.float64)

    found = minimize(
        loss, np.zeros(features * classes + classes), jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 8}
    )
    flat = found.x.astype(np.float32)
    return flat[: features * classes].reshape(features, classes), flat[features * classes :]


def fit_reading(rows: Rows, parameters: ClassesParameters) -> tuple[ClassReading, dict[str, Any]]:
    """The reading of one set, and what was found on the way: ridge, share right on the fifth that chose it."""
    names = tuple(sorted(set(rows.labels)))
    y = np.array([names.index(label) for label in rows.labels])
    n = len(y)
    mean, scale = rows.vectors.mean(axis=0), rows.vectors.std(axis=0) + 1e-4
    frequency = np.zeros(1 << BITS, dtype=np.int64)
    for words in rows.words:
        frequency[np.unique(buckets(words))] += 1
    idf = np.where(frequency >= min(parameters.least_count, n), np.log((1 + n) / (1 + frequency)) + 1, 0).astype(np.float32)
    grams = [weighted(words, idf) for words in rows.words]
    columns = telling(grams, y, len(names), parameters.keep)
    idf[np.setdiff1d(np.flatnonzero(idf), columns)] = 0
    grams = [weighted(words, idf) for words in rows.words]
    counts: dict[int, int] = {}
    for marks in rows.marks:
        for mark in marks.tolist():
            counts[mark] = counts.get(mark, 0) + 1
    hashes = np.array(sorted(mark for mark, count in counts.items() if count >= min(parameters.least_count, n)), dtype=np.int64)
    known = [np.searchsorted(hashes, marks[np.isin(marks, hashes)]) for marks in rows.marks]
    dense = ((rows.vectors - mean) / scale * VECTOR_SCALE).astype(np.float32)
    ngram_part = _sparse([(np.searchsorted(columns, found), weights * NGRAM_SCALE) for found, weights in grams], len(columns))
    mark_part = _sparse([(places, np.full(len(places), MARK_SCALE)) for places in known], len(hashes))
    x = sp.hstack([ngram_part, mark_part]).tocsr().astype(np.float32)
    held, wide = np.arange(n) % 5 == 0, dense.shape[1]
    shares = {}
    for ridge in parameters.ridges:
        weights, bias = fit_softmax(dense[~held], x[~held], y[~held], len(names), ridge, parameters.iterations)
        shares[ridge] = float(
            ((dense[held] @ weights[:wide] + np.asarray(x[held] @ weights[wide:]) + bias).argmax(axis=1) == y[held]).mean()
        )
        log.info("ridge %g: %.4f of %d", ridge, shares[ridge], int(held.sum()))
    ridge = max(shares, key=lambda r: (shares[r], r))
    weights, bias = fit_softmax(dense, x, y, len(names), ridge, parameters.iterations)
    vector, ngrams, marks_weights = np.split(weights, [len(mean), len(mean) + len(columns)])
    reading = ClassReading(names, mean, scale, vector, columns, idf[columns], ngrams, hashes, marks_weights, bias)
    return reading, {"records": n, "classes": len(names), "ridge": ridge, "right_on_a_fifth": round(shares[ridge], 4)}


def balanced_sets(folder: Path) -> dict[str, list[Example]]:
    """Development records of sets that have class names and no train part, by set."""
    return {"dialmed": dialmed(folder)}


def fit_balance(
    names: tuple[str, ...], shares: npt.NDArray[np.float64], cosines: npt.NDArray[np.float64], y: npt.NDArray[np.int64], strength: float
) -> ListBalance:
    """Weights of a list for shares and cosines (records, names) by cross-entropy, the biases shrunk."""

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        bias = flat[2:]
        logits = flat[0] * shares + flat[1] * cosines + bias
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        value = -np.log(np.maximum(p[rows, y], 1e-12)).mean() + strength * float(bias @ bias)
        p[rows, y] -= 1
        p /= len(y)
        return value, np.array([(p * shares).sum(), (p * cosines).sum(), *(p.sum(axis=0) + 2 * strength * bias)])

    found = minimize(loss, np.array([0.3, 0.3, *np.zeros(len(names))]), jac=True, method="L-BFGS-B").x
    return ListBalance(names, float(found[0]), float(found[1]), tuple(round(float(b), 4) for b in found[2:]))


def balance_of(
    ranker: Ranker, engine: Engine, examples: Sequence[Example], parameters: ClassesParameters
) -> tuple[ListBalance, dict[str, Any]]:
    """The balance of a list and its hits out of fold; folds are by record."""
    names = tuple(sorted({example.gold_names[0] for example in examples}))
    y = np.array([names.index(example.gold_names[0]) for example in examples])
    shares, cosines = np.zeros((len(y), len(names))), np.zeros((len(y), len(names)))
    for i, example in enumerate(examples):
        reading = engine.reader.read([Record.model_validate(example.record)])[0]
        scores, vector = ranker.parts(reading, facts_of(reading, engine.kb))
        if vector is None:
            raise ValueError("a list is balanced with the vectors of a bundle")
        shares[i], cosines[i] = ranker.list_scores(names, scores, vector)
    fold = np.random.default_rng(0).permutation(len(y)) % parameters.folds
    ranks = np.zeros(len(y), dtype=np.int64)
    for k in range(parameters.folds):
        held = fold == k
        balance = fit_balance(names, shares[~held], cosines[~held], y[~held], parameters.balance_strength)
        logits = np.stack([balance.logits(names, s, c) for s, c in zip(shares[held], cosines[held], strict=True)])
        ranks[held] = (logits > logits[np.arange(len(logits)), y[held]][:, None]).sum(axis=1)
    hits = {f"top{k}_out_of_fold": round(float((ranks < k).mean()), 4) for k in (1, 3)}
    whole = fit_balance(names, shares, cosines, y, parameters.balance_strength)
    return whole, {"records": len(y), "classes": len(names), **hits}


def telling(
    grams: Sequence[tuple[npt.NDArray[np.int64], Floats]], y: npt.NDArray[np.int64], classes: int, keep: int
) -> npt.NDArray[np.int64]:
    """The buckets (sorted) whose mean weight differs most between classes: between-class over total sum of squares, times the total."""
    x = _sparse(grams, 1 << BITS)
    membership = sp.csr_matrix((np.ones(len(y), dtype=np.float32), (y, np.arange(len(y)))), shape=(classes, len(y)))
    size = np.maximum(np.bincount(y, minlength=classes), 1)[:, None]
    sums = np.asarray((membership @ x).todense())
    between = (sums**2 / size).sum(axis=0) - sums.sum(axis=0) ** 2 / len(y)
    best = np.argsort(-between, kind="stable")[:keep]
    return np.sort(best[between[best] > 0])


def _sparse(rows: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]], width: int) -> sp.csr_matrix:
    pointers = np.cumsum([0, *[len(places) for places, _ in rows]])
    values, places = (np.concatenate([row[k] for row in rows]) if rows else np.zeros(0) for k in (1, 0))
    return sp.csr_matrix((values.astype(np.float32), places.astype(np.int64), pointers), shape=(len(rows), width))


def run(
    engine: Engine,
    parameters: ClassesParameters,
    *,
    bundle_folder: Path,
    out: Path = OUT,
    sets: Mapping[str, Sequence[Example]] | None = None,
    balanced: Mapping[str, Sequence[Example]] | None = None,
    cache: Path = CACHE,
) -> dict[str, Any]:
    """Fit every set and seal the bundle again at `out`; the figures by set (those of balanced sets out of fold)."""
    bundle = Bundle.open(bundle_folder, replay=0)
    ranker = Ranker(engine.kb, bundle)
    folder = corpora()
    if sets is None:
        if folder is None:
            log.warning("XINGLIN_CORPORA is not set: there are no class lists to teach")
        sets = taught_sets(folder) if folder is not None else {}
    if balanced is None:
        balanced = balanced_sets(folder) if folder is not None else {}
    readings, balances, figures = [], [], {}
    with run_of("ranker_classes", parameters.model_dump()) as run_id:
        for name, examples in sets.items():
            rows = rows_of(ranker, engine, examples, name, cache)
            reading, figures[name] = fit_reading(rows, parameters)
            readings.append(reading)
            mlflow.log_metric(f"{name}.right_on_a_fifth", figures[name]["right_on_a_fifth"])
            log.info("%s %s", name, figures[name])
        for name, examples in balanced.items():
            balance, figures[name] = balance_of(ranker, engine, examples, parameters)
            balances.append(balance)
            mlflow.log_metric(f"{name}.top1_out_of_fold", figures[name]["top1_out_of_fold"])
            log.info("%s %s", name, figures[name])
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(bundle_folder, out)
        write(out / CLASSES, readings)
        broad_names.write(out / BALANCES, balances)
        kept = {k: v for k, v in bundle.manifest.items() if k not in RESEALED}
        card = (out / "CARD.md").read_text(encoding="utf-8").partition(CARD)[0]
        told = "".join(_told(name, f, balanced=name in balanced) for name, f in figures.items())
        (out / "CARD.md").write_text(f"{card}{CARD}{told}", encoding="utf-8")
        golden = [json.loads(line) for line in (out / GOLDEN).read_text(encoding="utf-8").splitlines()]
        against = {"reader_version": engine.reader.version, "knowledge_version": engine.kb.version, "mlflow_run": run_id}
        fields = {**kept, "source_commit": source_commit(), "classes": {**against, "sets": figures}}
        seal(
            out,
            task="ranker",
            version=parameters.version,
            fields=fields,
            golden=golden,
            golden_tolerance=bundle.manifest["golden_tolerance"],
        )
    return figures


def _told(name: str, figures: Mapping[str, Any], *, balanced: bool) -> str:
    """A list's line in the card."""
    line = f"- {name}: {figures['classes']} classes, {figures['records']} records"
    if not balanced:
        return line + "\n"
    return line + f"; balanced on a development set, top-1 / 3 out of fold {figures['top1_out_of_fold']} / {figures['top3_out_of_fold']}\n"


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    print(
        json.dumps(
            run(Engine(), load_block(ClassesParameters, "classes"), bundle_folder=options.bundle, out=options.out), ensure_ascii=False
        )
    )


if __name__ == "__main__":
    main()
