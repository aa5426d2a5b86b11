"""Screening one 12-megapixel JPEG: decode to answer, against decoding it plus a bare forward pass; one core, one run."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from inference.fundus.screener import Screener
from models.bundle import RELEASED, Bundle


def photograph() -> bytes:
    """A 4032 x 3024 JPEG with the texture of a photograph (size in bytes matters to the decoder)."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(40, 200, (40, 52, 3)).astype(np.uint8)).resize((4032, 3024), Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse, dtype=np.int16) + rng.integers(-6, 7, (3024, 4032, 1), dtype=np.int16)
    y, x = np.ogrid[-1512:1512, -2016:2016]
    noisy *= (np.hypot(y, x) < 1500)[..., None]
    stream = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median CPU time of a call after one warm-up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return statistics.median(times)


def measure(bundle: Path = RELEASED / "fundus", repeats: int = 15) -> dict[str, float]:
    """CPU milliseconds of the whole, of plain decoding and of the bare pass, and their ratio."""
    screener = Screener(Bundle.open(bundle))
    data = photograph()
    settings = screener.model.preprocessing
    x = np.zeros((1, 3, settings.height, settings.diameter), dtype=np.float32)
    whole = seconds(lambda: screener.screen([("x", data)]), repeats)
    plain_decode = seconds(lambda: Image.open(io.BytesIO(data)).convert("RGB"), repeats)
    forward = seconds(lambda: screener.model.session.run(None, {"image": x}), repeats)
    return {
        "screen_ms": round(1000 * whole, 1),
        "plain_decode_ms": round(1000 * plain_decode, 1),
        "bare_forward_ms": round(1000 * forward, 1),
        "ratio_to_decode_plus_forward": round(whole / (plain_decode + forward), 3),
        "file_megabytes": round(len(data) / 1e6, 2),
    }


def main() -> None:
    """Measure and print (or write) JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=RELEASED / "fundus")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = measure(options.bundle, options.repeats)
    print(json.dumps(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
