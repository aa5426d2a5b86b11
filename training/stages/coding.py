"""Stage ``coding``: memories of coded texts and boosted rankers over string, vote and vector features, sealed as one bundle.

Each training text's candidates are found with the text itself left out of the memory, so that the ranker learns from
votes as they will be in use. The threshold is the one of highest set-F1 on dev texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import yaml
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier

from inference.coding.features import FEATURES, CandidateFinder
from inference.coding.memory import CodingMemory
from inference.coding.ranker import rank
from inference.coding.tables import CodeTable, build_table, read_table
from inference.coding.text import fold, split
from models.bundle import encode_array, golden_rows, seal, session_options
from training.datasets.coding import FOLDERS, TABLES, CodedText, load_coded
from training.metrics.coding import best_threshold

log = logging.getLogger("training.coding")
SYSTEMS = ("icd10", "icd9cm3")


@dataclass(frozen=True)
class CoderParameters:
    """The ``coder`` block of ``params.yaml``."""

    seed: int = 1
    iterations: int = 250
    learning_rate: float = 0.06
    leaves: int = 31
    min_leaf: int = 40
    l2: float = 5.0
    rescue: float = 0.12
    """What the best candidate of an otherwise empty part must reach."""
    thresholds: tuple[float, ...] = field(default=tuple(round(0.14 + 0.02 * step, 2) for step in range(24)))

    @classmethod
    def from_file(cls, path: Path) -> CoderParameters:
        """Read the block; an unknown key is an error."""
        block = dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("coder") or {})
        if "thresholds" in block:
            block["thresholds"] = tuple(block["thresholds"])
        return cls(**block)


@dataclass
class Pairs:
    """Candidates of many texts in one table."""

    features: NDArray[np.float32]
    right: NDArray[np.bool_]
    text: NDArray[np.int64]
    gold: int


def collect(finder: CandidateFinder, texts: list[CodedText], table: CodeTable, in_memory: bool) -> Pairs:
    """Candidates and their labels; ``in_memory``: text ``i`` is the memory's text ``i`` and must not vote for itself."""
    features, right, owner = [], [], []
    gold = 0
    for place, text in enumerate(texts):
        found = finder.find(text.text, split(text.text, table.is_name), place if in_memory else None)
        names = text.folded
        gold += len(names)
        features.append(found.features)
        right.append(np.array([finder.folded[target] in names for target in found.targets.tolist()], dtype=bool))
        owner.append(np.full(len(found.targets), place, dtype=np.int64))
    return Pairs(np.concatenate(features), np.concatenate(right), np.concatenate(owner), gold)


def fit(parameters: CoderParameters, pairs: Pairs) -> HistGradientBoostingClassifier:
    """The boosted ranker."""
    model = HistGradientBoostingClassifier(
        max_iter=parameters.iterations, learning_rate=parameters.learning_rate, max_leaf_nodes=parameters.leaves,
        min_samples_leaf=parameters.min_leaf, l2_regularization=parameters.l2, early_stopping=False,
        random_state=parameters.seed,
    )  # fmt: skip
    model.fit(pairs.features, pairs.right)
    return model


def export(model: HistGradientBoostingClassifier, path: Path, sample: NDArray[np.float32]) -> float:
    """Write the ranker as ONNX; returns the largest difference of its probabilities on ``sample``."""
    converted = to_onnx(model, sample[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    path.write_bytes(converted.SerializeToString())
    session = ort.InferenceSession(str(path), session_options(), providers=["CPUExecutionProvider"])
    return float(np.abs(rank(session, sample) - model.predict_proba(sample)[:, 1]).max())


def cross_fitted(probabilities: NDArray[np.float64], pairs: Pairs, texts: list[CodedText], grid: tuple[float, ...]) -> float:
    """Set-F1 on dev with the threshold of each half chosen on the other."""
    halves = pairs.text % 2
    right = chosen = 0
    for half in (0, 1):
        there = halves != half
        gold = sum(len(text.folded) for place, text in enumerate(texts) if place % 2 != half)
        threshold, _ = best_threshold(probabilities[there], pairs.right[there], pairs.text[there], gold, grid)
        here = halves == half
        order = np.lexsort((-probabilities[here], pairs.text[here]))
        first = np.zeros(len(order), dtype=bool)
        first[order[np.concatenate(([True], np.diff(pairs.text[here][order]) != 0))]] = True
        taken = (probabilities[here] >= threshold) | first
        right += int((pairs.right[here] & taken).sum())
        chosen += int(taken.sum())
    return 2 * right / (chosen + pairs.gold)


def train_system(system: str, parameters: CoderParameters, corpora: Path, folder: Path) -> dict[str, Any]:
    """Memory, ranker and threshold of one system, written to ``folder``; returns its figures."""
    began = time.time()
    table = build_table(system, "training", "", read_table(corpora / "extraction" / "code_tables" / TABLES[system]))
    train, dev = load_coded(corpora, system, "train"), load_coded(corpora, system, "dev")
    if system == "icd9cm3":
        train += load_coded(corpora, system, "extra")
    memory = CodingMemory.build([(fold(text.text), tuple(sorted(text.folded))) for text in train])
    np.savez_compressed(folder / f"memory_{system}.npz", **memory.arrays())  # type: ignore[arg-type]
    finder = CandidateFinder(table, memory.bind(table))
    learned, judged = collect(finder, train, table, True), collect(finder, dev, table, False)
    model = fit(parameters, learned)
    difference = export(model, folder / f"{system}.onnx", judged.features)
    probabilities = model.predict_proba(judged.features)[:, 1]
    threshold, f1 = best_threshold(probabilities, judged.right, judged.text, judged.gold, parameters.thresholds)
    figures = {
        "pairs": len(learned.right),
        "candidate_recall": round(float(judged.right.sum()) / judged.gold, 4),
        "threshold": threshold,
        "dev_f1": round(f1, 4),
        "dev_f1_cross_fitted": round(cross_fitted(probabilities, judged, dev, parameters.thresholds), 4),
        "export_difference": difference,
        "seconds": round(time.time() - began, 1),
        "golden": judged.features[:4],
    }
    log.info("%s %s", system, {key: value for key, value in figures.items() if key != "golden"})
    if difference > 1e-4:
        raise ValueError(f"{system}: the exported ranker differs from the trained one by {difference:.2g}")
    return figures


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


CARD = """# Coder

Ranks the codes of an imported table (ICD-10, ICD-9-CM-3) for a diagnosis or procedure text as written.

- **Method**: character n-gram retrieval over the table's names, votes of the nearest coded texts (kept as hashed n-grams
  and name fingerprints; no text is in the bundle), a boosted ranker over {features} features, one threshold a system.
- **Trained on** (research use): CHIP-CDN train (ICD-10 北京临床版 v601), Yidu-N7K train and further pairs (ICD-9-CM-3).
- **Not for**: coding without a person who checks; tables in other languages.
- **Figures**: `manifest.json` (`metrics`) and `reports/coding.json`.
"""


def run(parameters: CoderParameters, corpora: Path, out: Path, version: str) -> dict[str, Any]:
    """Train both systems and seal the bundle at ``out``; returns the figures."""
    staging = out.with_name(out.name + ".tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    figures = {system: train_system(system, parameters, corpora, staging) for system in SYSTEMS}
    golden = []
    for system, figure in figures.items():
        session = ort.InferenceSession(str(staging / f"{system}.onnx"), session_options(), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        golden += golden_rows(session, [{name: encode_array(figure.pop("golden"))}], model=f"{system}.onnx")
    (staging / "CARD.md").write_text(CARD.format(features=len(FEATURES)), encoding="utf-8")
    fields = {
        "thresholds": {system: {"choose": figure["threshold"], "rescue": parameters.rescue} for system, figure in figures.items()},
        "features": list(FEATURES),
        "metrics": figures,
        "datasets": {
            f"{FOLDERS[system]}/{split_name}": digest(corpora / "extraction" / FOLDERS[system] / f"{split_name}.jsonl.gz")
            for system in SYSTEMS
            for split_name in ("train", "dev")
        },
    }
    seal(staging, task="coder", version=version, fields=fields, golden=golden, golden_tolerance=1e-3)
    shutil.rmtree(out, ignore_errors=True)
    staging.rename(out)
    return figures


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/coder"))
    parser.add_argument("--version", default="1.0.0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    corpora = Path(os.environ["XINGLIN_CORPORA"])
    figures = run(CoderParameters.from_file(arguments.params), corpora, arguments.out, arguments.version)
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
