"""Stage: would int8 do? Static, per-channel quantisation of the final network against fp32 on photographs, and its speed.

Writes `reports/fundus_int8.json`. The released bundle stays fp32 where any probability moves by more than `LIMIT`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from inference.fundus.decode import decode
from inference.fundus.model import cumulative
from inference.fundus.retina import Preprocessing, network_input, normal_form
from models.bundle import session_options
from training.datasets.fundus import GRADED_SOURCES, read_photographs
from training.metrics.fundus import rounded
from training.stages.fundus_data import Cache
from training.stages.fundus_export import final_network, halve_weights, write_onnx
from training.stages.fundus_settings import corpora_root, one_thread

LIMIT = 0.02


class Photographs(CalibrationDataReader):  # type: ignore[misc]
    """Network inputs for the quantiser's ranges."""

    def __init__(self, inputs: list[np.ndarray]) -> None:
        self.rows: Iterator[np.ndarray] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next photograph, or None at the end."""
        row = next(self.rows, None)
        return None if row is None else {"image": row}


def inputs_of(root: Path, settings: Preprocessing, every: int, offset: int) -> list[np.ndarray]:
    """Every n-th graded photograph as network input (1, 3, h, w)."""
    out = []
    for i, (_, _, data) in enumerate(read_photographs(root, GRADED_SOURCES)):
        if i % every == offset:
            out.append(network_input(normal_form(decode(data).rgb, settings)[0], settings)[None])
    return out


def answers(path: Path, inputs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Logits of every input and the median CPU seconds of a pass."""
    session = onnxruntime.InferenceSession(str(path), sess_options=session_options(), providers=["CPUExecutionProvider"])
    logits, times = [], []
    for x in inputs:
        began = time.process_time()
        logits.append(session.run(["logits"], {"image": x})[0][0])
        times.append(time.process_time() - began)
    return np.stack(logits).astype(np.float64), float(np.median(times))


def compare(root: Path, work: Path) -> dict[str, object]:
    """Probabilities, size and speed of fp32, of half-stored weights and of int8."""
    settings = Cache.load(work).preprocessing
    calibration = json.loads((work / "calibration.json").read_text(encoding="utf-8"))
    scale, shift = np.asarray(calibration["temperature"]), np.asarray(calibration["shift"])
    seen, held = inputs_of(root, settings, 20, 0), inputs_of(root, settings, 20, 10)
    report: dict[str, object] = {"command": "python -m training.stages.fundus_quantise", "photographs": len(held), "limit": LIMIT}
    with tempfile.TemporaryDirectory() as folder:
        exact, halved, ready, small = (Path(folder) / f"{n}.onnx" for n in ("exact", "halved", "ready", "int8"))
        network = final_network(work)
        write_onnx(network, exact, torch.from_numpy(held[0]))
        write_onnx(network, halved, torch.from_numpy(held[0]))
        halve_weights(halved)
        quant_pre_process(str(exact), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(small),
            Photographs(seen),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        expected, base = answers(exact, held)
        p = cumulative(expected, scale, shift)
        for name, path in (("half_precision_weights", halved), ("int8_static", small)):
            logits, seconds = answers(path, held)
            moved = np.abs(cumulative(logits, scale, shift) - p)
            report[name] = {
                "largest_change_of_probability": rounded(moved.max()),
                "mean_change": rounded(moved.mean()),
                "photographs_over_limit": int((moved.max(axis=1) > LIMIT).sum()),
                "megabytes": round(path.stat().st_size / 1e6, 2),
                "times_faster_than_fp32": round(base / seconds, 2),
            }
    return report


def main() -> None:
    """Compare on the corpora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/fundus_int8.json"))
    options = parser.parse_args()
    one_thread()
    root = corpora_root()
    if root is None:
        print("XINGLIN_CORPORA is not set: nothing to compare on")
        return
    report = compare(root, Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus")))
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
