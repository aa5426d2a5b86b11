"""Stage: the sealed bundle on photographs of the corpora, as the service will meet them; writes reports/fundus_bundle.json.

The network was trained on most of these photographs, so no grading figure is taken here: only the share that can be
graded, the eye that is told, and whether ONNX answers what the training network answered.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_contracts.screen import ScreenResult
from inference.fundus.decode import decode
from inference.fundus.model import cumulative
from inference.fundus.screener import Screener
from models.bundle import Bundle
from training.datasets.fundus import GRADED_SOURCES, read_photographs
from training.metrics.fundus import rounded, wilson
from training.stages.fundus_data import Cache
from training.stages.fundus_linear import fold_logits
from training.stages.fundus_settings import corpora_root, one_thread


def through_bundle(root: Path, bundle: Path, limit: int) -> dict[str, Any]:
    """The sealed bundle on every `limit`-th photograph of each source: gradable share, eye told rightly."""
    screener = Screener(Bundle.open(bundle))
    eyes: dict[str, str] = {}
    for source in ("odir", "eyepacs", "rahim600"):
        if not (root / source / "labels.csv").exists():
            continue
        with (root / source / "labels.csv").open(encoding="utf-8", newline="") as stream:
            eyes.update({r["image"]: r["eye"] for r in csv.DictReader(stream) if r["eye"]})
    gradable: dict[str, list[bool]] = {}
    told: list[bool] = []
    asked = 0
    for i, (source, name, data) in enumerate(read_photographs(root, (*GRADED_SOURCES, "idrid_seg", "drive", "nonfundus"))):
        if i % limit and source != "nonfundus":
            continue
        # A bare id, so that the eye is told from the picture and not from the name.
        result = screener.screen_one("x", data)
        if isinstance(result, ScreenResult):
            gradable.setdefault(source, []).append(result.gradable)
            if name in eyes and result.gradable:
                asked += 1
                if result.laterality:
                    told.append(result.laterality == eyes[name])
    return {
        "gradable": {s: wilson(sum(v), len(v)) for s, v in gradable.items()},
        "eye_told": wilson(len(told), asked),
        "eye_told_rightly": wilson(sum(told), len(told)),
    }


def altered(data: bytes) -> dict[str, bytes]:
    """The same photograph under a black border, at twice and at two thirds of its size, and saved again as JPEG of quality 75."""
    rgb = decode(data).rgb
    bordered = Image.new("RGB", (rgb.width + 160, rgb.height + 90))
    bordered.paste(rgb, (90, 40))
    pictures = {
        "border": bordered,
        "twice_the_size": rgb.resize((rgb.width * 2, rgb.height * 2), Image.Resampling.BICUBIC),
        "two_thirds": rgb.resize((rgb.width * 2 // 3, rgb.height * 2 // 3), Image.Resampling.BICUBIC),
        "jpeg_75": rgb,
    }
    found = {}
    for name, picture in pictures.items():
        stream = io.BytesIO()
        picture.save(stream, **({"format": "JPEG", "quality": 75} if name == "jpeg_75" else {"format": "PNG"}))
        found[name] = stream.getvalue()
    return found


def same_photograph(root: Path, bundle: Path, each: int = 14) -> dict[str, Any]:
    """Mean and largest change of the referable probability when `each` photographs of every source are altered."""
    screener = Screener(Bundle.open(bundle))
    changes: dict[str, list[float]] = {}
    for source in GRADED_SOURCES:
        photographs = [data for _, _, data in read_photographs(root, (source,))]
        for data in photographs[:: max(1, len(photographs) // each)][:each]:
            plain = screener.read(data).grading.at_least[1]
            for name, other in altered(data).items():
                changes.setdefault(name, []).append(abs(screener.read(other).grading.at_least[1] - plain))
    return {
        name: {"photographs": len(found), "mean": rounded(float(np.mean(found))), "largest": rounded(max(found))}
        for name, found in changes.items()
    }


def parity(root: Path, bundle: Path, work: Path, limit: int) -> dict[str, Any]:
    """Largest and mean difference of the referable probability between the bundle and the training network."""
    screener = Screener(Bundle.open(bundle))
    cache = Cache.load(work)
    row_of = {(p.source, p.name): i for i, p in enumerate(cache.photographs)}
    _, logits = fold_logits(work, "final")
    p = cumulative(logits, screener.model.temperature, screener.model.shift)
    differences = [
        abs(screener.read(data).grading.at_least[1] - float(p[row_of[source, name], 1]))
        for i, (source, name, data) in enumerate(read_photographs(root, GRADED_SOURCES))
        if i % limit == 0 and (source, name) in row_of
    ]
    return {"photographs": len(differences), "largest": rounded(max(differences)), "mean": rounded(float(np.mean(differences)))}


def main() -> None:
    """Verify the released bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/released/fundus"))
    parser.add_argument("--every", type=int, default=6, help="take every n-th photograph")
    parser.add_argument("--out", type=Path, default=Path("reports/fundus_bundle.json"))
    options = parser.parse_args()
    one_thread()
    work = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    root = corpora_root()
    if root is None:
        print("XINGLIN_CORPORA is not set: a dry run on synthetic photographs, written beside the work")
        root, options.out = work / "synthetic", work / "bundle_report.json"
    report = {
        "command": "python -m training.stages.fundus_verify",
        "version": Bundle.open(options.bundle).version,
        **through_bundle(root, options.bundle, options.every),
        "same_photograph": same_photograph(root, options.bundle),
        "onnx_against_training": parity(root, options.bundle, work, options.every * 4),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
