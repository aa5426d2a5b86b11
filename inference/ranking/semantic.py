"""The semantic and the case-based part: one vector of the record against disease views and labelled cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.ranking.encoder import Matrix, TextEncoder
from inference.ranking.profiles import all_views, name_view
from inference.ranking.vectors import view_vectors
from knowledge_base.compiled import KnowledgeBase
from models.bundle import Bundle

CASES = "cases.npz"
MAX_NAMES = 4096
Vector = npt.NDArray[np.float64]


class Semantic:
    """Scores of every target (full entries, then thin ones) for a record's vector."""

    def __init__(self, kb: KnowledgeBase, bundle: Bundle, state: Path | None) -> None:
        self.encoder = TextEncoder(bundle)
        self._names: dict[str, Matrix] = {}
        self.temperature = float(bundle.manifest.get("temperature", 0.05))
        self.targets: list[str] = [*kb.diseases, *kb.thin]
        self.index = {target: i for i, target in enumerate(self.targets)}
        texts, owners = all_views(kb)
        self.views = view_vectors(texts, self.encoder, bundle, state)
        self.starts = np.array([i for i, owner in enumerate(owners) if i == 0 or owners[i - 1] != owner], dtype=np.int64)
        if [owners[i] for i in self.starts] != self.targets:
            raise ValueError("views must stand in the order of the targets")
        self.case_vectors: Matrix = np.zeros((0, self.encoder.dimension), dtype=np.float32)
        self.case_labels: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.case_rows: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        if CASES in bundle.manifest["files"]:
            self._read_cases(bundle, kb)

    def _read_cases(self, bundle: Bundle, kb: KnowledgeBase) -> None:
        """Case vectors (int8, scaled) and their labels: disease ids, or three-character categories as `icd10:XXX`."""
        with np.load(bundle.file(CASES), allow_pickle=False) as data:
            vectors = data["vectors"].astype(np.float32)
            rows, labels = data["rows"], data["labels"].tolist()
        self.case_vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        pairs: list[tuple[int, int]] = []
        for row, label in zip(rows.tolist(), labels, strict=True):
            if label in self.index:
                pairs.append((row, self.index[label]))
            elif label.startswith("icd10:"):
                pairs += [(row, self.index[target]) for target in kb.by_category.get(label[6:], ())[:1] if target in self.index]
        self.case_rows = np.array([row for row, _ in pairs], dtype=np.int64)
        self.case_labels = np.array([label for _, label in pairs], dtype=np.int64)

    def encode(self, text: str) -> Matrix:
        """The unit vector of a rendered record."""
        return self.encoder.encode_one(text)

    def score(self, vector: Matrix) -> Vector:
        """Soft maximum over each target's views, on the scale of a cosine."""
        cosines = (self.views @ vector).astype(np.float64) / self.temperature
        top = np.maximum.reduceat(cosines, self.starts)
        spread = np.exp(cosines - np.repeat(top, np.diff(np.append(self.starts, len(cosines)))))
        return np.asarray(self.temperature * (top + np.log(np.add.reduceat(spread, self.starts))))

    def votes(self, vector: Matrix, *, neighbours: int = 30, temperature: float = 0.05) -> Vector:
        """Share of the nearest cases' votes for every target, weighted by closeness."""
        votes = np.zeros(len(self.targets))
        if len(self.case_vectors) == 0:
            return votes
        cosines = self.case_vectors @ vector
        cosines = np.where(cosines > 0.9995, -1.0, cosines)  # a stored case does not vote for itself
        nearest = np.argpartition(-cosines, min(neighbours, len(cosines) - 1))[:neighbours]
        weights = np.zeros(len(cosines))
        weights[nearest] = np.exp((cosines[nearest] - cosines[nearest].max()) / temperature)
        weights /= max(weights.sum(), 1e-9)
        np.add.at(votes, self.case_labels, weights[self.case_rows])
        return votes

    def name_score(self, vector: Matrix, names: list[str]) -> Vector:
        """Cosine of the record with bare names, for candidates that are not in the knowledge base."""
        return np.asarray(self.name_vectors(names) @ vector, dtype=np.float64)

    def name_vectors(self, names: Sequence[str]) -> Matrix:
        """Unit vectors (names, dimension) of bare names."""
        return np.stack([self._name_vector(name) for name in names])

    def _name_vector(self, name: str) -> Matrix:
        """The vector of a bare name, kept for names that come again (a hospital asks the same lists)."""
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            self._names[name] = self.encoder.encode_one(name_view((name,)))
        return self._names[name]
