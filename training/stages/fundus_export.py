"""Stage: the final network to ONNX, everything that serves beside it, sealed as one bundle.

Weights are stored in half precision and widened when the session opens, so that the bundle is half as large while the
arithmetic stays fp32 (int8 moved the probabilities too far, see `fundus_quantise`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from models.bundle import digest, golden_rows, seal
from training.networks.efficientnet_lite import LESIONS, EfficientNetLite0, FundusNet, ServingNet
from training.stages.fundus_card import card
from training.stages.fundus_data import Cache, trainable_rows
from training.stages.fundus_linear import BOUND, read
from training.stages.fundus_prepare import backbone
from training.stages.fundus_settings import corpora_root, one_thread
from training.tracking import source_commit

OUTPUTS = ("logits", "lesions", "gate")


def final_network(work: Path) -> ServingNet:
    """The final run's averaged weights with the gates' ImageNet features and their linear readings."""
    network = FundusNet(EfficientNetLite0())
    network.load_state_dict(torch.load(work / "final.pt", weights_only=True))
    serving = ServingNet(network, backbone(), BOUND).eval()
    found = read(work, "final")
    parts = (
        (serving.gate_mean, found.mean),
        (serving.gate_scale, found.scale),
        (serving.readings.weight, found.weight),
        (serving.readings.bias, found.bias),
    )
    with torch.no_grad():
        for parameter, values in parts:
            parameter.copy_(torch.from_numpy(values))
    return serving


def write_onnx(network: ServingNet, path: Path, example: torch.Tensor) -> None:
    """The network as an fp32 ONNX file with a free batch size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["image"],
            output_names=list(OUTPUTS),
            opset_version=17,
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in ("image", *OUTPUTS)},
        )


def export_network(network: ServingNet, path: Path, height: int, width: int) -> tuple[dict[str, float], dict[str, float]]:
    """Write the ONNX file; largest difference to torch on noise, before and after the weights were halved."""
    example = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    write_onnx(network, path, example)
    exact = difference_to_torch(network, path, example)
    halve_weights(path)
    return exact, difference_to_torch(network, path, example)


def halve_weights(path: Path, smallest: int = 256) -> None:
    """Store every weight of more than `smallest` numbers as float16 with a cast back, which the session folds away."""
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size <= smallest:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def difference_to_torch(network: ServingNet, path: Path, inputs: torch.Tensor) -> dict[str, float]:
    """Largest difference of each output between the file and the network."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(inputs)
    actual = session.run(list(OUTPUTS), {"image": inputs.numpy()})
    return {n: float(np.abs(e.numpy() - a).max()) for n, e, a in zip(OUTPUTS, expected, actual, strict=True)}


def build(work: Path, target: Path, version: str) -> None:
    """Assemble and seal the bundle; an older one at the target is replaced whole."""
    cache = Cache.load(work)
    settings = cache.preprocessing
    building = target.with_name(target.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    exact, halved = export_network(final_network(work), building / "model.onnx", settings.height, settings.diameter)
    if max(exact.values()) > 2e-3 or halved["logits"] > 0.05:
        raise ValueError(f"ONNX differs from torch: {exact}, with halved weights {halved}")
    (building / "preprocessing.json").write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")
    for name in ("calibration.json", "gates.json"):
        shutil.copy(work / name, building / name)
    sources = sorted({p.source for p in cache.photographs})
    published = Path("reports/fundus.json")
    report = json.loads(published.read_text(encoding="utf-8")) if corpora_root() is not None and published.exists() else None
    if report is not None and report["calibration"] != json.loads((work / "calibration.json").read_text(encoding="utf-8")):
        raise ValueError("reports/fundus.json is of another calibration: run fundus_evaluate first")
    if report is not None:
        severe = int((cache.grades[trainable_rows(cache)] >= 3).sum())
        (building / "CARD.md").write_text(card(report, version, sources, severe), encoding="utf-8")
    session = onnxruntime.InferenceSession(str(building / "model.onnx"), providers=["CPUExecutionProvider"])
    shape = [1, 3, settings.height, settings.diameter]
    golden = golden_rows(session, [{"image": {"seed": s, "shape": shape, "dtype": "float32"}} for s in (1, 2, 3)], values=32)
    fields = {
        **provenance(),
        "label_space": {
            "grades": [0, 1, 2, 3, 4],
            "cumulative": ["grade>=1", "grade>=2", "grade>=3", "grade>=4"],
            "lesions": list(LESIONS),
        },
        "trained_on": sources,
        "metrics": report["headline"] if report is not None else None,
        "thresholds": json.loads((work / "calibration.json").read_text(encoding="utf-8")),
        "onnx_difference": {"fp32": exact, "halved_weights": halved},
    }
    seal(building, task="fundus", version=version, fields=fields, golden=golden, golden_tolerance=5e-3)
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    print(f"{target}: version {version}, largest difference to torch {exact}, with halved weights {halved}")


def provenance() -> dict[str, Any]:
    """Source commit, MLflow run of the final training and hashes of the label tables, as far as they are at hand."""
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
    runs = mlflow.search_runs(experiment_names=["fundus"], filter_string="tags.mlflow.runName = 'fundus_final'", output_format="list")
    root = corpora_root()
    tables = sorted(root.glob("*/labels.csv")) if root is not None else []
    return {
        "source_commit": source_commit(),
        "mlflow_run": runs[0].info.run_id if runs else None,
        "data_hashes": {p.parent.name: digest(p) for p in tables},
    }


def main() -> None:
    """Export from the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=Path("models/released/fundus"))
    parser.add_argument("--version", default=dt.date.today().strftime("%Y.%m.%d"))
    options = parser.parse_args()
    one_thread()
    build(Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus")), options.target, options.version)


if __name__ == "__main__":
    main()
