"""Stage: fit the upper network on cached views; one run a fold, each resumable, each with its held-out answers on disk.

Folds: `loso_<source>` (one source left out), `cv_<i>` (group-wise within all sources), `final` (everything).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import time
from pathlib import Path

import mlflow
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.datasets.fundus import GRADED_SOURCES, grouped_folds
from training.device import mixed_precision
from training.metrics.fundus import auc
from training.networks.efficientnet_lite import FundusNet, channels_last
from training.stages.fundus_data import Views, sampling, targets, trainable_rows
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

#: IDRiD photographs drawn for the lesion maps in every batch.
LESION_BATCH = 4


def fold_masks(views: Views, fold: str, params: FundusParams) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out, both bool; no group is on both sides."""
    held = np.zeros(len(views.photographs), dtype=bool)
    if fold.startswith("loso_"):
        held = views.sources == fold.removeprefix("loso_")
    elif fold.startswith("cv_"):
        held = grouped_folds(views.groups, params.folds, params.seed) == int(fold.removeprefix("cv_"))
    held_groups = {g for g, h in zip(views.groups, held, strict=True) if h}
    train = trainable_rows(views) & ~held
    leaked = [g for g, t in zip(views.groups, train, strict=True) if t and g in held_groups]
    if leaked:
        raise ValueError(f"{fold}: {len(leaked)} training photographs share a group with held-out ones, e.g. {leaked[0]}")
    return train, held


def lesion_loss(maps: Tensor, masks: Tensor) -> Tensor:
    """Weighted cross entropy plus Dice on the four lesion maps (n, 4, h, w); the optic disc counts nowhere."""
    outside = 1 - masks[:, 4:5]
    want = masks[:, :4]
    entropy = F.binary_cross_entropy_with_logits(maps, want, reduction="none", pos_weight=torch.tensor(3.0))
    p = torch.sigmoid(maps) * outside
    overlap = (p * want).sum((0, 2, 3))
    dice = 1 - (2 * overlap + 1) / (p.sum((0, 2, 3)) + want.sum((0, 2, 3)) + 1)
    return (entropy * outside).mean() * 4 + 0.3 * dice.mean()


def train_fold(views: Views, fold: str, out: Path, params: FundusParams) -> None:
    """Train one fold and write `<fold>.pt` (averaged weights) and `<fold>.npz` (answers on every row)."""
    if (out / f"{fold}.npz").exists():
        print(f"{fold}: already there")
        return
    train, held = fold_masks(views, fold, params)
    cycles = {"loso": params.steps_source, "cv": params.steps_fold}.get(fold.partition("_")[0], params.steps_final)
    network = FundusNet(backbone())
    began = time.time()
    for cycle, steps in enumerate(cycles):
        reached = out / f"{fold}.cycle{cycle}.pt"
        if not reached.exists():
            torch.save(train_cycle(views, fold, network, cycle, steps, out, params).state_dict(), reached)
        network.load_state_dict(torch.load(reached, weights_only=True))
    shutil.copy(reached, out / f"{fold}.pt")
    write_answers(views, fold, network, train, held, out, params, {"steps": sum(cycles), "seconds": time.time() - began})
    for path in out.glob(f"{fold}.cycle*.pt"):
        path.unlink()


def train_cycle(views: Views, fold: str, network: FundusNet, cycle: int, steps: int, out: Path, params: FundusParams) -> FundusNet:
    """One warm-up and decay from the weights that `network` has; the running average of the weights."""
    train, held = fold_masks(views, fold, params)
    seed = params.seed + sum(map(ord, fold)) + 1000 * cycle
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network.train()
    channels_last(network)
    trainable = network.trainable()
    heads = (network.grade, network.grade_spread, network.lesion_in, network.lesion_out)
    fresh = {id(p) for head in heads for p in head.parameters()} | {id(network.lesion_weight)}
    rates = (params.rate[cycle], params.head_rate)
    parts = [[p for p in trainable if (id(p) in fresh) is new] for new in (False, True)]
    optimiser = torch.optim.AdamW(
        [{"params": part, "lr": rate} for part, rate in zip(parts, rates, strict=True)], weight_decay=params.decay
    )
    average = copy.deepcopy(network).eval()
    rows = np.flatnonzero(train)
    chance = sampling(views, rows)
    want_all, weight_all = (torch.from_numpy(a) for a in targets(views))
    lesion_index = {int(r): j for j, r in enumerate(views.lesion_rows)}
    lesion_rows = np.array([r for r in views.lesion_rows if train[r]])
    has_lesion = np.array([views.masks[0][lesion_index[int(r)], :4].any() for r in lesion_rows])
    checkpoint = out / f"{fold}.cycle{cycle}.partial"
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
        rng = np.random.default_rng([seed, start])
    began, shown = time.time(), 0.0
    for step in range(start, steps):
        ramp = min(1.0, (step + 1) / 40, 0.05 + (steps - step) / (0.4 * steps))
        for group, base in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = base * ramp
        picked = rng.choice(rows, params.batch, p=chance)
        lesion_picked = np.concatenate(
            [rng.choice(lesion_rows[part], LESION_BATCH // 2) for part in (has_lesion, ~has_lesion) if part.any()]
        )
        every = np.concatenate([picked, lesion_picked])
        view = rng.integers(0, len(views.lower), len(every))
        with mixed_precision(torch.device("cpu")):
            logits, maps, _ = network.from_lower(views.batch(view, every))
        n = len(picked)
        entropy = F.binary_cross_entropy_with_logits(logits[:n], want_all[picked], reduction="none")
        loss = (entropy * weight_all[picked]).sum() / weight_all[picked].sum()
        masks = np.stack([views.masks[v][lesion_index[int(r)]] for v, r in zip(view[n:], lesion_picked, strict=True)])
        loss = loss + 0.5 * lesion_loss(maps[n:].float(), torch.from_numpy(masks).float())
        # A healthy eye shows no lesion on any camera: keeps the maps silent elsewhere than on IDRiD.
        healthy = torch.from_numpy(views.grades[picked] == 0)
        if healthy.any():
            loss = loss + 0.2 * F.softplus(maps[:n][healthy].float() + 1.0).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainable, 2.0)
        optimiser.step()
        decay = min(params.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(average.parameters(), network.parameters(), strict=True):
                a.lerp_(b, 1 - decay)
        shown += float(loss.detach())
        if (step + 1) % 60 == 0 or step + 1 == steps:
            note = ""
            if (step + 1) % 120 == 0 and held.any():
                some = np.flatnonzero(held & (views.referable >= 0))[::3]
                note = f" held-out AUC {auc(views.referable[some], answers(average, views, some)[0][:, 1]):.3f}"
            print(f"{fold} cycle {cycle} {step + 1}/{steps} loss {shown / 60:.3f} {time.time() - began:.0f} s{note}", flush=True)
            shown = 0.0
        if (step + 1) % 100 == 0:
            torch.save(
                {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1},
                checkpoint,
            )
    checkpoint.unlink(missing_ok=True)
    return average


def write_answers(
    views: Views,
    fold: str,
    network: FundusNet,
    train: np.ndarray,
    held: np.ndarray,
    out: Path,
    params: FundusParams,
    spent: dict[str, float],
) -> None:
    """Write `<fold>.npz`: answers on every held-out photograph (final: on all), and log the run."""
    everything = np.arange(len(views.photographs))
    if fold != "final":
        everything = np.flatnonzero(held)
    told, heat, features = answers(network, views, everything)
    np.savez(out / f"{fold}.npz", rows=everything, logits=told, maps=heat.astype(np.float16), pooled=features.astype(np.float16))
    result = {"held_out": int(held.sum()), "trained": int(train.sum()), **spent}
    chosen = held & (views.referable >= 0)
    if chosen.any():
        by_row = {int(r): i for i, r in enumerate(everything)}
        for source in GRADED_SOURCES:
            part = np.flatnonzero(chosen & (views.sources == source))
            if len(part):
                result[f"auc_{source}"] = auc(views.referable[part], told[[by_row[int(r)] for r in part], 1])
    print(fold, json.dumps(result), flush=True)
    with mlflow.start_run(run_name=f"fundus_{fold}"):
        mlflow.log_params({"fold": fold, "rate": params.rate, "views": len(views.lower), "seed": params.seed})
        mlflow.log_metrics({k: v for k, v in result.items() if np.isfinite(v)})


def answers(network: FundusNet, views: Views, rows: np.ndarray, view: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulative logits (n, 4), lesion logits (n, 4, h/8, w/8) and pooled features (n, 1280) on one view."""
    network.eval()
    out: list[tuple[Tensor, Tensor, Tensor]] = []
    with torch.no_grad(), mixed_precision(torch.device("cpu")):
        for i in range(0, len(rows), 32):
            out.append(network.from_lower(views.batch(view, rows[i : i + 32])))
    return tuple(np.concatenate([part[j].float().numpy() for part in out]) for j in range(3))  # type: ignore[return-value]


def main() -> None:
    """Train the folds that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folds", nargs="*")
    options = parser.parse_args()
    one_thread()
    params = load_params()
    if corpora_root() is None:
        print("XINGLIN_CORPORA is not set: a dry run on synthetic photographs")
        params = params.tiny()
    work = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    views = Views.load(work)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
    if mlflow.get_experiment_by_name("fundus") is None:
        mlflow.create_experiment("fundus", artifact_location=str(Path("artifacts/mlflow").resolve()))
    mlflow.set_experiment("fundus")
    folds = [f"loso_{s}" for s in GRADED_SOURCES] + [f"cv_{i}" for i in range(params.folds)] + ["final"]
    for fold in options.folds or folds:
        train_fold(views, fold, work, params)


if __name__ == "__main__":
    main()
