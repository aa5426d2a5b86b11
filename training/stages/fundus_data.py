"""The cached views as training data: labels, sampling weights, batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.fundus.retina import Preprocessing, preprocessing_from
from training.datasets.fundus import GRADED_SOURCES, Photograph

#: Labels read from keywords or given by one reader weigh less than adjudicated ones.
LABEL_WEIGHT = {"aptos2019": 1.0, "odir": 0.7, "eyepacs": 0.7, "rahim600": 1.0, "idrid_seg": 0.7}


@dataclass
class Views:
    """The cache of one prepare run.

    Attributes:
        photographs: one a row.
        lower: activations by view, int16 bits of bfloat16 (rows, h/8, w/8, 40); view 0 is the plain one.
        masks: lesion masks by view, uint8 (lesion rows, 5, h/8, w/8): MA, HE, EX, SE, optic disc.
        lesion_rows: rows of IDRiD, in the order of `masks`.
        descriptors: float32 (rows, measures).
        preprocessing: the normal form of the views.
    """

    photographs: list[Photograph]
    lower: list[np.ndarray]
    masks: list[np.ndarray]
    lesion_rows: np.ndarray
    descriptors: np.ndarray
    preprocessing: Preprocessing

    @classmethod
    def load(cls, folder: Path) -> Views:
        """Open what `fundus_prepare` wrote; activations stay on disk."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        numbers = sorted(
            int(p.stem.partition("_")[2]) for p in folder.glob("view_*.json") if json.loads(p.read_text(encoding="utf-8")) == index["stamp"]
        )
        return cls(
            photographs=[Photograph(**row) for row in index["photographs"]],
            lower=[np.load(folder / f"lower_{v}.npy", mmap_mode="r") for v in numbers],
            masks=[np.load(folder / f"masks_{v}.npy") for v in numbers],
            lesion_rows=np.asarray(index["lesion_rows"]),
            descriptors=np.load(folder / "descriptors.npy"),
            preprocessing=preprocessing_from(index["stamp"]["preprocessing"]),
        )

    def batch(self, view: int | np.ndarray, rows: np.ndarray) -> Tensor:
        """Activations (n, 40, h/8, w/8), kept in bfloat16, channels last; `view` may differ from row to row."""
        views = np.broadcast_to(np.asarray(view), rows.shape)
        bits = np.stack([self.lower[v][r] for v, r in zip(views, rows, strict=True)])
        return torch.from_numpy(bits).view(torch.bfloat16).permute(0, 3, 1, 2).float()

    @property
    def sources(self) -> np.ndarray:
        """Source of each row."""
        return np.array([p.source for p in self.photographs])

    @property
    def groups(self) -> list[str]:
        """Group of each row."""
        return [p.group for p in self.photographs]

    @property
    def grades(self) -> np.ndarray:
        """ICDR grade of each row, -1 where there is none."""
        return np.array([-1 if p.grade is None else p.grade for p in self.photographs])

    @property
    def referable(self) -> np.ndarray:
        """1 referable, 0 not, -1 unknown."""
        return np.array([-1 if p.referable is None else int(p.referable) for p in self.photographs])


def trainable_rows(views: Views) -> np.ndarray:
    """Bool (rows): graded or lesion-marked, without label conflict, not called ungradable."""
    return np.array(
        [
            (p.source in GRADED_SOURCES and p.grade is not None and not p.conflict and p.quality != "reject") or p.source == "idrid_seg"
            for p in views.photographs
        ]
    )


def targets(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative targets and their weights, float32 (rows, 4), for grade >= 1, 2, 3, 4.

    The thresholds on either side of a grade are softened by .1: neighbours are often confused by graders too. IDRiD's
    lesion photographs have no grade: only "at least 1" is asked of them.
    """
    want = np.zeros((len(views.photographs), 4), dtype=np.float32)
    weight = np.zeros_like(want)
    lesion_rows = set(views.lesion_rows.tolist())
    for i, p in enumerate(views.photographs):
        if p.grade is not None:
            for k in range(1, 5):
                want[i, k - 1] = 1.0 if p.grade >= k else 0.0
                if k == p.grade:
                    want[i, k - 1] = 0.9
                if k == p.grade + 1:
                    want[i, k - 1] = 0.1
            if p.referable and p.grade < 2:
                want[i, 1] = 0.9
                want[i, 0] = 1.0
            weight[i] = LABEL_WEIGHT.get(p.source, 0.0) * np.array([1.0, 2.0, 1.0, 1.0])
        elif i in lesion_rows:
            want[i, 0] = 1.0
            weight[i, 0] = LABEL_WEIGHT["idrid_seg"]
    return want, weight


def sampling(views: Views, rows: np.ndarray) -> np.ndarray:
    """Probability of each of `rows`: even over sources, within a source over referable or not by the root of counts."""
    sources = views.sources[rows]
    referable = np.maximum(views.referable[rows], 0)
    probability = np.zeros(len(rows))
    for source in np.unique(sources):
        in_source = sources == source
        parts = [in_source & (referable == value) for value in (0, 1)]
        roots = np.array([np.sqrt(part.sum()) for part in parts])
        # IDRiD serves the lesion maps, which have their own draw; here it is a small fifth source.
        share = 0.35 if source == "idrid_seg" else 1.0
        for part, root in zip(parts, roots, strict=True):
            if part.any():
                probability[part] = share * root / roots.sum() / part.sum()
    return probability / probability.sum()
