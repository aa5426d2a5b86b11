"""Parameters shared by the fundus stages: the block `fundus` of params.yaml."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from inference.fundus.retina import Preprocessing, preprocessing_from


@dataclass(frozen=True)
class FundusParams:
    """What the fundus chain can be told.

    Attributes:
        seed: of views, folds and training.
        steps_final, steps_source, steps_fold: optimiser steps of the final run, of a left-out source, of a fold within sources.
        batch: graded photographs a step, each in two views.
        unjudged: photographs without a grade a step, for the agreement of both views alone.
        rate: highest step size of the backbone from stride 8 on; `lower_share` of it below.
        head_rate, decay, ema: optimisation.
        agreement: weight of the squared difference between the probabilities of a photograph's two views.
        folds: of the evaluations within a source.
        synthetic_per_source: photographs a source when there are no corpora.
    """

    seed: int = 7
    steps_final: int = 1000
    steps_source: int = 600
    steps_fold: int = 300
    batch: int = 32
    unjudged: int = 4
    rate: float = 3e-4
    lower_share: float = 0.33
    head_rate: float = 1e-3
    decay: float = 0.02
    ema: float = 0.995
    agreement: float = 1.0
    folds: int = 5
    synthetic_per_source: int = 16
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def tiny(self) -> FundusParams:
        """The same chain at a size that runs in about a minute."""
        small = replace(self.preprocessing, diameter=128, height=96)
        return replace(self, steps_final=4, steps_source=3, steps_fold=2, batch=6, unjudged=1, folds=2, preprocessing=small)


def load_params(path: Path = Path("params.yaml")) -> FundusParams:
    """Read the block `fundus`; a missing file or block leaves the defaults, an unknown name is refused."""
    block: dict[str, Any] = {}
    if path.exists():
        block = dict((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("fundus") or {})
    shape = preprocessing_from(block.pop("preprocessing", {}))
    return FundusParams(preprocessing=shape, **block)


def corpora_root() -> Path | None:
    """The fundus corpora, where XINGLIN_CORPORA points at them."""
    root = os.environ.get("XINGLIN_CORPORA")
    path = Path(root) / "fundus" if root else None
    return path if path is not None and path.is_dir() else None


def one_thread() -> None:
    """One thread a process: parallelism is by process."""
    torch.set_num_threads(1)
