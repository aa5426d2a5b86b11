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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
import yaml
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier

from inference.coding.features import FEATURES, CandidateFinder, Candidates
from inference.coding.memory import CodingMemory
from inference.coding.pairs import JUDGED, NETWORK, PAIR_FEATURES, PAIR_TOKENS, VOCABULARY, likeliest, pair_features
from inference.coding.ranker import above, rank
from inference.coding.second import SECOND_FEATURES, second_features
from inference.coding.tables import build_table, read_table
from inference.coding.text import fold, split
from models.bundle import encode_array, golden_rows, seal, session_options
from training.datasets.coding import FOLDERS, TABLES, CodedText, load_coded
from training.datasets.coding_pairs import DEV, SYSTEMS
from training.metrics.coding import best_threshold, chosen_pairs
from training.networks.pair_encoder_serving import ServingPairs, restored
from training.networks.pair_encoder_serving import export as export_pairs
from training.stages.coding_pairs import Lists

log = logging.getLogger("training.coding")
Judge = Callable[[HistGradientBoostingClassifier, Sequence[int]], dict[int, NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Boosting:
    """Settings of one boosted ranker."""

    iterations: int
    learning_rate: float
    leaves: int
    min_leaf: int
    l2: float


@dataclass(frozen=True)
class CoderParameters:
    """The ``coder`` block of ``params.yaml``."""

    seed: int = 1
    folds: int = 2
    """Folds of the first ranker whose out-of-fold probabilities teach the second."""
    first: Boosting = Boosting(150, 0.1, 31, 40, 5.0)
    paired: Boosting = Boosting(150, 0.06, 15, 60, 10.0)
    """The ranker that also sees the pair network's logits."""
    second: Boosting = Boosting(150, 0.05, 15, 60, 10.0)
    depth: int = 3
    """Layers of the pair network that serve."""
    rescue: float = 0.12
    """What the best candidate of an otherwise empty part must reach."""
    thresholds: tuple[float, ...] = field(default=tuple(round(0.14 + 0.02 * step, 2) for step in range(24)))

    @classmethod
    def from_file(cls, path: Path) -> CoderParameters:
        """Read the block; an unknown key is an error."""
        block = dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("coder") or {})
        if "thresholds" in block:
            block["thresholds"] = tuple(block["thresholds"])
        for look in ("first", "paired", "second"):
            if look in block:
                block[look] = Boosting(**block[look])
        return cls(**block)


@dataclass
class Pairs:
    """Candidates of many texts in one table."""

    texts: list[CodedText]
    candidates: list[Candidates]
    right: list[NDArray[np.bool_]]
    """Whether each candidate's name is gold, a text at a time."""

    @property
    def gold(self) -> int:
        """Number of gold names, those out of reach among them."""
        return sum(len(text.folded) for text in self.texts)

    def stacked(self, chosen: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features and labels of the chosen texts, one below the other."""
        return (
            np.concatenate([self.candidates[place].features for place in chosen]),
            np.concatenate([self.right[place] for place in chosen]),
        )


def collect(finder: CandidateFinder, texts: list[CodedText], in_memory: bool) -> Pairs:
    """Candidates and their labels; ``in_memory``: text ``i`` is the memory's text ``i`` and must not vote for itself."""
    candidates = [
        finder.find(text.text, split(text.text, finder.table.is_name), place if in_memory else None) for place, text in enumerate(texts)
    ]
    right = [
        np.array([finder.folded[target] in text.folded for target in found.targets.tolist()], dtype=bool)
        for text, found in zip(texts, candidates, strict=True)
    ]
    return Pairs(texts, candidates, right)


def fit(features: NDArray[np.float32], right: NDArray[np.bool_], boosting: Boosting, seed: int) -> HistGradientBoostingClassifier:
    """A boosted ranker."""
    model = HistGradientBoostingClassifier(
        max_iter=boosting.iterations, learning_rate=boosting.learning_rate, max_leaf_nodes=boosting.leaves,
        min_samples_leaf=boosting.min_leaf, l2_regularization=boosting.l2, early_stopping=False, random_state=seed,
    )  # fmt: skip
    model.fit(features, right)
    return model


def first_look(model: HistGradientBoostingClassifier, pairs: Pairs, chosen: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    """The first ranker's probabilities of the chosen texts."""
    features, _ = pairs.stacked(chosen)
    whole = model.predict_proba(features)[:, 1]
    borders = np.cumsum([len(pairs.right[place]) for place in chosen])[:-1]
    return dict(zip(chosen, np.split(whole, borders), strict=True))


@dataclass
class PairLogits:
    """The pair network's logits of each text's candidates, by row of the table; of a training text out of fold."""

    train: list[dict[int, float]]
    dev: list[dict[int, float]]

    @classmethod
    def read(cls, lists: Path, judgements: Path, system: str, depth: int) -> PairLogits:
        """Those of one system, at one exit, out of the files of ``coding_lists`` and ``coding_pairs``."""
        with np.load(lists / "lists.npz", allow_pickle=False) as arrays, np.load(judgements / "judgements.npz", allow_pickle=False) as said:
            number = SYSTEMS.index(system)
            pointers, folds = arrays["pointers"].astype(np.int64), arrays["fold"]
            rows = arrays["name"].astype(np.int64) - int(arrays["borders"][number])
            logits = said["logits"][said["exits"].tolist().index(depth)].astype(np.float64)
            mine = arrays["system"] == number
        both = []
        for wanted in (mine & (folds >= 0), mine & (folds == DEV)):
            slices = [slice(pointers[place], pointers[place + 1]) for place in np.flatnonzero(wanted)]
            both.append([dict(zip(rows[part].tolist(), logits[part].tolist(), strict=True)) for part in slices])
        return cls(*both)


@dataclass
class PairedRows:
    """What the ranker after the pair network sees of each text: its candidates, their features, whether they are right."""

    looked: list[NDArray[np.int64]]
    features: list[NDArray[np.float32]]
    right: list[NDArray[np.bool_]]

    @classmethod
    def of(cls, pairs: Pairs, probabilities: Mapping[int, NDArray[np.float64]], logits: Sequence[Mapping[int, float]]) -> PairedRows:
        """The likeliest candidates by the first ranker's probabilities, with the network's logits."""
        looked = [likeliest(found, probabilities[place]) for place, found in enumerate(pairs.candidates)]
        features = []
        for place, (found, chosen) in enumerate(zip(pairs.candidates, looked, strict=True)):
            said = np.array([logits[place][target] for target in found.targets[chosen].tolist()])
            features.append(pair_features(found, probabilities[place], chosen, said))
        return cls(looked, features, [right[chosen] for right, chosen in zip(pairs.right, looked, strict=True)])

    def stacked(self, chosen: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features and labels of the chosen texts, one below the other."""
        return np.concatenate([self.features[place] for place in chosen]), np.concatenate([self.right[place] for place in chosen])

    def judged(
        self, model: HistGradientBoostingClassifier, before: Mapping[int, NDArray[np.float64]], chosen: Sequence[int]
    ) -> dict[int, NDArray[np.float64]]:
        """Probabilities of all candidates of the chosen texts, those not looked at below the others."""
        whole = model.predict_proba(self.stacked(chosen)[0])[:, 1]
        borders = np.cumsum([len(self.looked[place]) for place in chosen])[:-1]
        parts = zip(chosen, np.split(whole, borders), strict=True)
        return {place: above(before[place], self.looked[place], again) for place, again in parts}


def second_look(
    finder: CandidateFinder, pairs: Pairs, probabilities: Mapping[int, NDArray[np.float64]]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Features, labels and text of every pair that the second ranker looks at."""
    features, right, owner = [], [], []
    for place, text in enumerate(pairs.texts):
        looked, rows = second_features(finder, text.text, pairs.candidates[place], probabilities[place])
        features.append(rows)
        right.append(pairs.right[place][looked])
        owner.append(np.full(len(looked), place, dtype=np.int64))
    return np.concatenate(features), np.concatenate(right), np.concatenate(owner)


def export(model: HistGradientBoostingClassifier, path: Path, sample: NDArray[np.float32]) -> float:
    """Write the ranker as ONNX; returns the largest difference of its probabilities on ``sample``."""
    converted = to_onnx(model, sample[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    path.write_bytes(converted.SerializeToString())
    session = ort.InferenceSession(str(path), session_options(), providers=["CPUExecutionProvider"])
    return float(np.abs(rank(session, sample) - model.predict_proba(sample)[:, 1]).max())


def cross_fitted(
    probabilities: NDArray[np.float64], right: NDArray[np.bool_], owner: NDArray[np.int64], pairs: Pairs, grid: tuple[float, ...]
) -> float:
    """Set-F1 on dev with the threshold of each half chosen on the other."""
    hits = chosen = 0
    for half in (0, 1):
        there = owner % 2 != half
        gold = sum(len(text.folded) for place, text in enumerate(pairs.texts) if place % 2 != half)
        threshold, _ = best_threshold(probabilities[there], right[there], owner[there], gold, grid)
        taken = chosen_pairs(probabilities, owner, threshold) & ~there
        hits += int((right & taken).sum())
        chosen += int(taken.sum())
    return 2 * hits / (chosen + pairs.gold)


def out_of_fold(
    parameters: CoderParameters, boosting: Boosting, rows: Pairs | PairedRows, texts: int, judge: Judge
) -> tuple[HistGradientBoostingClassifier, dict[int, NDArray[np.float64]]]:
    """A ranker of all texts, and each text's probabilities by one that was not fitted on it."""
    probabilities: dict[int, NDArray[np.float64]] = {}
    for fold_number in range(parameters.folds):
        inside = [place for place in range(texts) if place % parameters.folds != fold_number]
        outside = [place for place in range(texts) if place % parameters.folds == fold_number]
        probabilities |= judge(fit(*rows.stacked(inside), boosting, parameters.seed), outside)
    return fit(*rows.stacked(range(texts)), boosting, parameters.seed), probabilities


def train_system(system: str, parameters: CoderParameters, corpora: Path, prepared: Path, folder: Path) -> dict[str, Any]:
    """Memory, rankers and threshold of one system, written to ``folder``; returns its figures."""
    began = time.time()
    table = build_table(system, "training", "", read_table(corpora / "extraction" / "code_tables" / TABLES[system]))
    train, dev = load_coded(corpora, system, "train"), load_coded(corpora, system, "dev")
    if system == "icd9cm3":
        train += load_coded(corpora, system, "extra")
    memory = CodingMemory.build([(fold(text.text), tuple(sorted(text.folded))) for text in train])
    np.savez_compressed(folder / f"memory_{system}.npz", **memory.arrays())  # type: ignore[arg-type]
    finder = CandidateFinder(table, memory.bind(table))
    learned, judged = collect(finder, train, True), collect(finder, dev, False)

    first, before = out_of_fold(parameters, parameters.first, learned, len(train), lambda model, chosen: first_look(model, learned, chosen))
    logits = PairLogits.read(prepared, prepared / "pairs", system, parameters.depth)
    beside = PairedRows.of(learned, before, logits.train)
    paired, after = out_of_fold(
        parameters, parameters.paired, beside, len(train), lambda model, chosen: beside.judged(model, before, chosen)
    )
    again, right, _ = second_look(finder, learned, after)
    second = fit(again, right, parameters.second, parameters.seed)

    everything = range(len(dev))
    dev_before = first_look(first, judged, everything)
    dev_beside = PairedRows.of(judged, dev_before, logits.dev)
    seen, seen_right, owner = second_look(finder, judged, dev_beside.judged(paired, dev_before, everything))
    sample, _ = judged.stacked(range(40))
    beside_sample, _ = dev_beside.stacked(range(40))
    samples = {"first": (first, sample), "paired": (paired, beside_sample), "second": (second, seen[:600])}
    difference = max(export(model, folder / f"{system}_{look}.onnx", rows) for look, (model, rows) in samples.items())
    probabilities = second.predict_proba(seen)[:, 1]
    threshold, f1 = best_threshold(probabilities, seen_right, owner, judged.gold, parameters.thresholds)
    figures = {
        "pairs": sum(len(item) for item in learned.right),
        "candidate_recall": round(sum(int(item.sum()) for item in judged.right) / judged.gold, 4),
        "threshold": threshold,
        "dev_f1": round(f1, 4),
        "dev_f1_cross_fitted": round(cross_fitted(probabilities, seen_right, owner, judged, parameters.thresholds), 4),
        "export_difference": difference,
        "seconds": round(time.time() - began, 1),
        "golden": {"first": sample[:4], "paired": beside_sample[:4], "second": seen[:8]},
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
  and name fingerprints; no text is in the bundle), a boosted ranker over {features} features, a network ({depth} layers, int8)
  that reads text and name together for the likeliest {judged}, a ranker that adds its logits, one that sees each candidate
  beside those above it, one threshold a system.
- **Trained on** (research use): CHIP-CDN train (ICD-10 北京临床版 v601), Yidu-N7K train and further pairs (ICD-9-CM-3).
- **Not for**: coding without a person who checks; tables in other languages.
- **Figures**: `manifest.json` (`metrics`) and `reports/coding.json`.
"""


def pair_network(parameters: CoderParameters, prepared: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write the pair network and its vocabulary to ``folder``; how far int8 is from float32, and golden rows."""
    network = restored(prepared / "pairs")
    export_pairs(network, parameters.depth, folder / NETWORK)
    shutil.copy(prepared / VOCABULARY, folder / VOCABULARY)
    session = ort.InferenceSession(str(folder / NETWORK), session_options(), providers=["CPUExecutionProvider"])
    lists = Lists(prepared, torch.device("cpu"))
    differences: list[NDArray[np.float32]] = []
    golden: list[dict[str, Any]] = []
    dev = np.flatnonzero(lists.fold == DEV)
    for place in dev[:: max(1, len(dev) // 100)].tolist():
        chosen = slice(lists.pointers[place], min(lists.pointers[place + 1], lists.pointers[place] + JUDGED))
        row, name = torch.from_numpy(lists.row[chosen]), torch.from_numpy(lists.name[chosen])
        if not len(row):
            continue
        ids, kinds, mask = lists.pairs(row, name, PAIR_TOKENS)
        with torch.no_grad():
            wanted = ServingPairs(network, parameters.depth)(ids, kinds, mask).numpy()
        inputs = {"ids": ids.numpy(), "kinds": kinds.numpy(), "mask": mask.numpy()}
        differences.append(np.abs(session.run(["logit"], inputs)[0] - wanted))
        if len(golden) < 2:
            golden.append({key: encode_array(value[:4]) for key, value in inputs.items()})
    every = np.concatenate(differences)
    figures = {"pairs": len(every), "mean_difference": round(float(every.mean()), 4), "largest": round(float(every.max()), 4)}
    return figures, golden_rows(session, golden, model=NETWORK)


def run(parameters: CoderParameters, corpora: Path, prepared: Path, out: Path, version: str) -> dict[str, Any]:
    """Train both systems and seal the bundle at ``out``; returns the figures.

    Args:
        parameters: of the rankers.
        corpora: root of the corpora.
        prepared: folder of ``coding_lists``, with ``coding_pairs``' output in its ``pairs``.
        out: folder of the bundle.
        version: of the bundle.
    """
    staging = out.with_name(out.name + ".tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    figures = {system: train_system(system, parameters, corpora, prepared, staging) for system in SYSTEMS}
    network, golden = pair_network(parameters, prepared, staging)
    for system, figure in figures.items():
        for look, rows in figure.pop("golden").items():
            model = f"{system}_{look}.onnx"
            session = ort.InferenceSession(str(staging / model), session_options(), providers=["CPUExecutionProvider"])
            golden += golden_rows(session, [{session.get_inputs()[0].name: encode_array(rows)}], model=model)
    (staging / "CARD.md").write_text(CARD.format(features=len(FEATURES), depth=parameters.depth, judged=JUDGED), encoding="utf-8")
    fields = {
        "thresholds": {system: {"choose": figure["threshold"], "rescue": parameters.rescue} for system, figure in figures.items()},
        "features": list(FEATURES),
        "second_features": list(SECOND_FEATURES),
        "pair_features": list(PAIR_FEATURES),
        "metrics": {**figures, "int8": network},
        "datasets": {
            f"{FOLDERS[system]}/{split_name}": digest(corpora / "extraction" / FOLDERS[system] / f"{split_name}.jsonl.gz")
            for system in SYSTEMS
            for split_name in ("train", "dev")
        },
    }
    seal(staging, task="coder", version=version, fields=fields, golden=golden, golden_tolerance=0.02)
    shutil.rmtree(out, ignore_errors=True)
    staging.rename(out)
    return {**figures, "int8": network}


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, default=Path("build/training/coding"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/coder"))
    parser.add_argument("--version", default="1.0.0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    corpora = Path(os.environ["XINGLIN_CORPORA"])
    figures = run(CoderParameters.from_file(arguments.params), corpora, arguments.prepared, arguments.out, arguments.version)
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
