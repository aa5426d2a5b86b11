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
        views: augmented views a photograph (beside the plain one).
        steps_final, steps_source, steps_fold: optimiser steps of the final run, a left-out source, a fold within sources,
            one number a cycle; a later cycle starts again from the averaged weights of the one before.
        rate: highest step size of the backbone, one a cycle.
        batch, head_rate, decay, ema: optimisation.
        folds: of the evaluations within a source.
        synthetic_per_source: photographs a source when there are no corpora.
    """

    seed: int = 7
    views: int = 3
    steps_final: tuple[int, ...] = (350, 450)
    steps_source: tuple[int, ...] = (200, 250)
    steps_fold: tuple[int, ...] = (120, 150)
    batch: int = 32
    rate: tuple[float, ...] = (2e-4, 3e-4)
    head_rate: float = 1e-3
    decay: float = 0.02
    ema: float = 0.995
    folds: int = 5
    synthetic_per_source: int = 16
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def tiny(self) -> FundusParams:
        """The same chain at a size that runs in about a minute."""
        small = replace(self.preprocessing, diameter=128, height=96)
        return replace(self, views=1, steps_final=(6, 3), steps_source=(4, 2), steps_fold=(3, 2), batch=8, folds=2, preprocessing=small)


def load_params(path: Path = Path("params.yaml")) -> FundusParams:
    """Read the block `fundus`; a missing file or block leaves the defaults, an unknown name is refused."""
    block: dict[str, Any] = {}
    if path.exists():
        block = dict((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("fundus") or {})
    shape = preprocessing_from(block.pop("preprocessing", {}))
    block = {name: tuple(value) if isinstance(value, list) else value for name, value in block.items()}
    params = FundusParams(preprocessing=shape, **block)
    if len({len(params.rate), len(params.steps_final), len(params.steps_source), len(params.steps_fold)}) != 1:
        raise ValueError("params.yaml, fundus: rate and the three steps need one number for each cycle")
    return params


def corpora_root() -> Path | None:
    """The fundus corpora, where XINGLIN_CORPORA points at them."""
    root = os.environ.get("XINGLIN_CORPORA")
    path = Path(root) / "fundus" if root else None
    return path if path is not None and path.is_dir() else None


def one_thread() -> None:
    """One thread a process: parallelism is by process."""
    torch.set_num_threads(1)
