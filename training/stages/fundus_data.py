"""The cached photographs as training data: labels, sampling weights, network inputs."""

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
class Cache:
    """What `fundus_prepare` wrote.

    Attributes:
        photographs: one a row.
        squares: uint8 (rows, side, side, 3) around each circle, on disk.
        edges: float32 (rows, 4): the picture's left, top, right and lower edge in radii from the circle's middle.
        plain: uint8 (rows, height, diameter, 3), the views that the service grades, on disk.
        masks: uint8 (lesion rows, 5, side, side), 0..255: MA, HE, EX, SE, optic disc.
        lesion_rows: rows of IDRiD, in the order of `masks`.
        descriptors: float32 (rows, measures).
        preprocessing: the normal form of the plain cache.
    """

    photographs: list[Photograph]
    squares: np.ndarray
    edges: np.ndarray
    plain: np.ndarray
    masks: np.ndarray
    lesion_rows: np.ndarray
    descriptors: np.ndarray
    preprocessing: Preprocessing

    @classmethod
    def load(cls, folder: Path) -> Cache:
        """Open the cache; pictures stay on disk."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return cls(
            photographs=[Photograph(**row) for row in index["photographs"]],
            squares=np.load(folder / "squares.npy", mmap_mode="r"),
            edges=np.load(folder / "edges.npy"),
            plain=np.load(folder / "plain.npy", mmap_mode="r"),
            masks=np.load(folder / "masks.npy"),
            lesion_rows=np.asarray(index["lesion_rows"]),
            descriptors=np.load(folder / "descriptors.npy"),
            preprocessing=preprocessing_from(index["stamp"]["preprocessing"]),
        )

    def plain_inputs(self, rows: np.ndarray) -> Tensor:
        """Plain views as network inputs, float32 (n, 3, height, diameter)."""
        values = torch.from_numpy(self.plain[rows]).permute(0, 3, 1, 2).float() / 255
        return (values - self.preprocessing.mean) / self.preprocessing.std

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


def trainable_rows(cache: Cache) -> np.ndarray:
    """Bool (rows): graded or lesion-marked, without label conflict, not called ungradable."""
    return np.array(
        [
            (p.source in GRADED_SOURCES and p.grade is not None and not p.conflict and p.quality != "reject") or p.source == "idrid_seg"
            for p in cache.photographs
        ]
    )


def unjudged_rows(cache: Cache) -> np.ndarray:
    """Bool (rows): photographs without a grade that a network can still be asked to judge alike in two views."""
    return np.array(
        [p.source in GRADED_SOURCES and p.grade is None and p.quality not in ("reject", "not_fundus") for p in cache.photographs]
    )


def targets(cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative targets and their weights, float32 (rows, 4), for grade >= 1, 2, 3, 4.

    The thresholds on either side of a grade are softened by .1: neighbours are often confused by graders too. IDRiD's
    lesion photographs have no grade: only "at least 1" is asked of them.
    """
    want = np.zeros((len(cache.photographs), 4), dtype=np.float32)
    weight = np.zeros_like(want)
    lesion_rows = set(cache.lesion_rows.tolist())
    for i, p in enumerate(cache.photographs):
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


def sampling(cache: Cache, rows: np.ndarray) -> np.ndarray:
    """Probability of each of `rows`: even over sources, within a source over referable or not by the root of counts."""
    sources = cache.sources[rows]
    referable = np.maximum(cache.referable[rows], 0)
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
