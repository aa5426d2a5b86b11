"""Stage: fit the whole network on augmented views; one run a fold, each resumable, each with its held-out answers on disk.

Folds: `loso_<source>` (one source left out), `cv_<i>` (group-wise within all sources), `final` (everything). Each photograph of
a step is shown in two random views whose answers shall agree. Made for an accelerator: there a step takes a tenth of a second,
on a processor's core ten.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from pathlib import Path

import mlflow
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.datasets.fundus import GRADED_SOURCES, grouped_folds
from training.datasets.fundus_views import augmented_views
from training.device import device_at_hand, mixed_precision
from training.metrics.fundus import auc
from training.networks.efficientnet_lite import FundusNet, channels_last
from training.stages.fundus_data import Cache, sampling, targets, trainable_rows, unjudged_rows
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

#: IDRiD photographs drawn for the lesion maps in every batch.
LESION_BATCH = 4
#: Photographs answered at once.
ROWS_A_PASS = {"cpu": 32, "cuda": 256}


def fold_masks(cache: Cache, fold: str, params: FundusParams) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out, both bool; no group is on both sides."""
    held = np.zeros(len(cache.photographs), dtype=bool)
    if fold.startswith("loso_"):
        held = cache.sources == fold.removeprefix("loso_")
    elif fold.startswith("cv_"):
        judged = np.flatnonzero(np.isin(cache.sources, (*GRADED_SOURCES, "idrid_seg")))
        folds = grouped_folds([cache.groups[r] for r in judged], params.folds, params.seed)
        held[judged[folds == int(fold.removeprefix("cv_"))]] = True
    held_groups = {g for g, h in zip(cache.groups, held, strict=True) if h}
    train = trainable_rows(cache) & ~held
    leaked = [g for g, t in zip(cache.groups, train, strict=True) if t and g in held_groups]
    if leaked:
        raise ValueError(f"{fold}: {len(leaked)} training photographs share a group with held-out ones, e.g. {leaked[0]}")
    return train, held


def lesion_loss(maps: Tensor, masks: Tensor) -> Tensor:
    """Weighted cross entropy plus Dice on the four lesion maps (n, 4, h, w); the optic disc counts nowhere."""
    outside = 1 - masks[:, 4:5]
    want = masks[:, :4]
    entropy = F.binary_cross_entropy_with_logits(maps, want, reduction="none", pos_weight=torch.tensor(3.0, device=maps.device))
    p = torch.sigmoid(maps) * outside
    overlap = (p * want).sum((0, 2, 3))
    dice = 1 - (2 * overlap + 1) / (p.sum((0, 2, 3)) + want.sum((0, 2, 3)) + 1)
    return (entropy * outside).mean() * 4 + 0.3 * dice.mean()


class Fold:
    """The photographs of one fold on the training device, and the batches drawn from them."""

    def __init__(self, cache: Cache, train: np.ndarray, held: np.ndarray, params: FundusParams, seed: int, device: torch.device) -> None:
        self.cache, self.params, self.device = cache, params, device
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.rows = np.flatnonzero(train)
        self.chance = sampling(cache, self.rows)
        self.unjudged = np.flatnonzero(unjudged_rows(cache) & ~held)
        lesion_index = {int(r): j for j, r in enumerate(cache.lesion_rows)}
        lesion_rows = [r for r in cache.lesion_rows if train[r]]
        marked = np.array([cache.masks[lesion_index[int(r)], :4].any() for r in lesion_rows])
        self.lesion_parts = [np.array(lesion_rows)[part] for part in (marked, ~marked) if part.any()]
        self.lesion_index = lesion_index
        self.want, self.weight = (torch.from_numpy(a).to(device) for a in targets(cache))
        self.healthy = torch.from_numpy(cache.grades == 0).to(device)

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of a step: graded ones, ones with lesion masks, ones without a grade."""
        picked = self.rng.choice(self.rows, self.params.batch, p=self.chance)
        lesions = np.concatenate([self.rng.choice(part, LESION_BATCH // 2) for part in self.lesion_parts])
        unjudged = self.rng.choice(self.unjudged, self.params.unjudged) if len(self.unjudged) else np.zeros(0, dtype=np.int64)
        return picked, lesions, unjudged

    def views(self, rows: np.ndarray, squares: Tensor, masks: bool = False) -> tuple[Tensor, Tensor | None]:
        """Network inputs (n, 3, h, w) of one random view of each row, and masks in cells of 8 pixels (n, 5, h/8, w/8)."""
        settings = self.cache.preprocessing
        edges = torch.from_numpy(self.cache.edges[rows]).to(self.device)
        given = None
        if masks:
            given = torch.from_numpy(np.stack([self.cache.masks[self.lesion_index[int(r)]] for r in rows])).to(self.device)
        values, moved = augmented_views(squares, edges, settings, self.generator, given)
        return (values - settings.mean) / settings.std, None if moved is None else F.max_pool2d(moved, 8)

    def loss(self, network: FundusNet, squares: Squares) -> Tensor:
        """Loss of one step."""
        picked, lesions, unjudged = self.draw()
        pairs = np.concatenate([picked, unjudged])
        twice = np.concatenate([pairs, pairs])
        x, _ = self.views(twice, squares.of(twice))
        x_lesions, masks = self.views(lesions, squares.of(lesions), masks=True)
        assert masks is not None
        inputs = torch.cat([x, x_lesions]).contiguous(memory_format=torch.channels_last)
        with mixed_precision(self.device):
            logits, maps, _ = network(inputs)
        n, pair = len(picked), len(pairs)
        rows = torch.from_numpy(picked).to(self.device)
        loss = torch.zeros((), device=self.device)
        for start in (0, pair):
            entropy = F.binary_cross_entropy_with_logits(logits[start : start + n], self.want[rows], reduction="none")
            loss = loss + 0.5 * (entropy * self.weight[rows]).sum() / self.weight[rows].sum()
        apart = torch.sigmoid(logits[:pair]) - torch.sigmoid(logits[pair : 2 * pair])
        loss = loss + self.params.agreement * (apart**2).mean()
        loss = loss + 0.5 * lesion_loss(maps[2 * pair :].float(), masks)
        # A healthy eye shows no lesion on any camera: keeps the maps silent elsewhere than on IDRiD.
        healthy = self.healthy[rows].float()
        silent = F.softplus(maps[:n].float() + 1.0).mean((1, 2, 3))
        return loss + 0.2 * (silent * healthy).sum() / healthy.sum().clamp(min=1)


class Squares:
    """Squares by row; on an accelerator all of them lie in its memory."""

    def __init__(self, cache: Cache, device: torch.device) -> None:
        self.cache, self.device = cache, device
        self.all = torch.from_numpy(np.asarray(cache.squares)).to(device) if device.type != "cpu" else None

    def of(self, rows: np.ndarray) -> Tensor:
        """uint8 (n, 3, side, side)."""
        found = torch.from_numpy(self.cache.squares[rows]) if self.all is None else self.all[torch.from_numpy(rows).to(self.device)]
        return found.permute(0, 3, 1, 2)


def train_fold(cache: Cache, fold: str, out: Path, params: FundusParams, squares: Squares) -> None:
    """Train one fold and write `<fold>.pt` (averaged weights) and `<fold>.npz` (answers)."""
    if (out / f"{fold}.npz").exists():
        print(f"{fold}: already there")
        return
    train, held = fold_masks(cache, fold, params)
    steps = {"loso": params.steps_source, "cv": params.steps_fold}.get(fold.partition("_")[0], params.steps_final)
    began = time.time()
    network = train_network(cache, fold, steps, out, params, squares)
    torch.save({k: v.cpu() for k, v in network.state_dict().items()}, out / f"{fold}.pt")
    write_answers(cache, fold, network, train, held, out, {"steps": steps, "seconds": time.time() - began}, params)


def train_network(cache: Cache, fold: str, steps: int, out: Path, params: FundusParams, squares: Squares) -> FundusNet:
    """One warm-up and decay from the ImageNet weights; the running average of the weights."""
    train, held = fold_masks(cache, fold, params)
    seed, device = params.seed + sum(map(ord, fold)), squares.device
    torch.manual_seed(seed)
    network = FundusNet(backbone()).to(device).train()
    channels_last(network)
    lower, heads = network.lower_parameters(), network.head_parameters()
    apart = {id(p) for p in (*lower, *heads)}
    parts = (lower, [p for p in network.parameters() if id(p) not in apart], heads)
    rates = (params.rate * params.lower_share, params.rate, params.head_rate)
    optimiser = torch.optim.AdamW(
        [{"params": part, "lr": rate} for part, rate in zip(parts, rates, strict=True)], weight_decay=params.decay
    )
    average = copy.deepcopy(network).eval()
    checkpoint, start = out / f"{fold}.partial", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    drawn = Fold(cache, train, held, params, seed + start, device)
    began, shown = time.time(), torch.zeros((), device=device)
    for step in range(start, steps):
        ramp = min(1.0, (step + 1) / 40, 0.05 + (steps - step) / (0.4 * steps))
        for group, base in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = base * ramp
        loss = drawn.loss(network, squares)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        decay = min(params.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        shown += loss.detach()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            note = ""
            some = np.flatnonzero(held & (cache.referable >= 0))[::3]
            if len(some):
                note = f" held-out AUC {auc(cache.referable[some], answers(average, cache, some)[0][:, 1]):.3f}"
            done = (step + 1 - start) % 100 or 100
            print(f"{fold} {step + 1}/{steps} loss {float(shown) / done:.3f} {time.time() - began:.0f} s{note}", flush=True)
            shown.zero_()
            state = {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save({**state, "step": step + 1}, checkpoint)
    checkpoint.unlink(missing_ok=True)
    return average


def write_answers(
    cache: Cache,
    fold: str,
    network: FundusNet,
    train: np.ndarray,
    held: np.ndarray,
    out: Path,
    spent: dict[str, float],
    params: FundusParams,
) -> None:
    """Write `<fold>.npz`: logits of every held-out photograph (final: of all), lesion maps of IDRiD's; log the run."""
    rows = np.arange(len(cache.photographs)) if fold == "final" else np.flatnonzero(held)
    told, maps = answers(network, cache, rows)
    marked = np.isin(rows, cache.lesion_rows)
    np.savez(out / f"{fold}.npz", rows=rows, logits=told, map_rows=rows[marked], maps=maps[marked].astype(np.float16))
    result = {"held_out": int(held.sum()), "trained": int(train.sum()), **spent}
    chosen = held & (cache.referable >= 0)
    if chosen.any():
        by_row = {int(r): i for i, r in enumerate(rows)}
        for source in GRADED_SOURCES:
            part = np.flatnonzero(chosen & (cache.sources == source))
            if len(part):
                result[f"auc_{source}"] = auc(cache.referable[part], told[[by_row[int(r)] for r in part], 1])
    print(fold, json.dumps(result), flush=True)
    with mlflow.start_run(run_name=f"fundus_{fold}"):
        mlflow.log_params({"fold": fold, "rate": params.rate, "batch": params.batch, "seed": params.seed})
        mlflow.log_metrics({k: v for k, v in result.items() if np.isfinite(v)})


def answers(network: FundusNet, cache: Cache, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative logits (n, 4) and lesion logits (n, 4, h/8, w/8) of plain views."""
    network.eval()
    device = next(network.parameters()).device
    size = ROWS_A_PASS[device.type]
    out: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad(), mixed_precision(device):
        for i in range(0, len(rows), size):
            x = cache.plain_inputs(rows[i : i + size]).to(device).contiguous(memory_format=torch.channels_last)
            logits, maps, _ = network(x)
            out.append((logits.float().cpu(), maps.float().cpu()))
    return np.concatenate([o[0].numpy() for o in out]), np.concatenate([o[1].numpy() for o in out])


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
    cache = Cache.load(work)
    squares = Squares(cache, device_at_hand())
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
    if mlflow.get_experiment_by_name("fundus") is None:
        mlflow.create_experiment("fundus", artifact_location=str(Path("artifacts/mlflow").resolve()))
    mlflow.set_experiment("fundus")
    folds = ["final", *(f"loso_{s}" for s in GRADED_SOURCES), *(f"cv_{i}" for i in range(params.folds))]
    for fold in options.folds or folds:
        train_fold(cache, fold, work, params, squares)


if __name__ == "__main__":
    main()
