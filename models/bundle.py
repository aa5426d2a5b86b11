"""Sealed bundles: a folder whose manifest names every file with its hash.

`models/released/<task>/` holds `manifest.json`, `model.onnx`, task files (`tokenizer.json`, `calibration.json`, …),
`golden.jsonl` and `CARD.md`. Opening checks every hash and refuses a stranger, a missing file and a newer format, then
replays a few golden inputs on this machine. Nothing here is ever unpickled.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from data_contracts.problems import XinglinError

FORMAT_VERSION = 1
RELEASED = Path(__file__).parent / "released"
MAX_BYTES = 30 * 1024 * 1024
GOLDEN = "golden.jsonl"
REQUIRED = ("task", "version", "format_version", "created", "files")
Array = npt.NDArray[Any]


def session_options(threads: int = 1) -> ort.SessionOptions:
    """One thread, no spinning: a clinic's PC scales by process, and spinning threads starve each other."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass
class Bundle:
    """An opened bundle: its manifest, its files by name, ONNX sessions on demand."""

    path: Path
    manifest: dict[str, Any]
    _sessions: dict[str, ort.InferenceSession] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | str, *, replay: int = 2) -> Bundle:
        """Open a bundle, check every hash and replay `replay` golden inputs of each model.

        Raises:
            XinglinError: `bundle-invalid`, naming the file and what is wrong with it.
        """
        folder = Path(path)
        manifest_path = folder / "manifest.json"
        if not manifest_path.is_file():
            raise XinglinError("bundle-invalid", f"模型包 {folder.name}：缺少 manifest.json。")
        try:
            manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise XinglinError("bundle-invalid", f"模型包 {folder.name}：manifest.json 不是合法的 JSON。") from error
        absent = [key for key in REQUIRED if key not in manifest]
        if absent:
            raise XinglinError("bundle-invalid", f"模型包 {folder.name}：manifest.json 缺少 {'、'.join(absent)}。")
        if manifest["format_version"] > FORMAT_VERSION:
            raise XinglinError("bundle-invalid", f"模型包 {folder.name}：格式版本 {manifest['format_version']} 比本程序新，请升级程序。")
        listed = set(manifest["files"]) | {"manifest.json"}
        for stranger in sorted({p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - listed):
            raise XinglinError("bundle-invalid", f"模型包 {folder.name}：多出未登记的文件 {stranger}。")
        for name, entry in manifest["files"].items():
            file = folder / name
            if not file.is_file():
                raise XinglinError("bundle-invalid", f"模型包 {folder.name}：缺少文件 {name}。")
            if file.stat().st_size != entry["size"] or digest(file) != entry["sha256"]:
                raise XinglinError("bundle-invalid", f"模型包 {folder.name}：文件 {name} 的内容与登记的摘要不符。")
        bundle = cls(folder, manifest)
        if replay:
            bundle.replay(replay)
        return bundle

    @property
    def task(self) -> str:
        """The task that the bundle serves."""
        return str(self.manifest["task"])

    @property
    def version(self) -> str:
        """The bundle's version."""
        return str(self.manifest["version"])

    def file(self, name: str) -> Path:
        """The path of a listed file; raises `bundle-invalid` for any other name."""
        if name not in self.manifest["files"]:
            raise XinglinError("bundle-invalid", f"模型包 {self.path.name}：没有登记文件 {name}。")
        return self.path / name

    def json(self, name: str) -> Any:
        """A listed JSON file, parsed."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))

    def session(self, name: str = "model.onnx") -> ort.InferenceSession:
        """The ONNX Runtime session of a listed model (one thread), made once."""
        if name not in self._sessions:
            self._sessions[name] = ort.InferenceSession(
                str(self.file(name)), sess_options=session_options(), providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]

    def golden(self) -> list[dict[str, Any]]:
        """The golden rows: `{"model", "inputs", "outputs"}`."""
        if GOLDEN not in self.manifest["files"]:
            return []
        return [json.loads(line) for line in self.file(GOLDEN).read_text(encoding="utf-8").splitlines() if line.strip()]

    def replay(self, limit: int | None = None) -> int:
        """Replay golden inputs and compare within the sealed tolerance; the number replayed.

        Raises:
            XinglinError: `bundle-invalid` where an output drifts further than `golden_tolerance`.
        """
        tolerance = float(self.manifest.get("golden_tolerance", 1e-3))
        rows = self.golden()
        taken: dict[str, int] = {}
        for row in rows:
            model = row.get("model", "model.onnx")
            if limit is not None and taken.get(model, 0) >= limit:
                continue
            taken[model] = taken.get(model, 0) + 1
            outputs = self.session(model).run(list(row["outputs"]), {k: decode_array(v) for k, v in row["inputs"].items()})
            for (name, expected), actual in zip(row["outputs"].items(), outputs, strict=True):
                got = np.asarray(actual, dtype=np.float64).ravel()[expected["indices"]]
                drift = float(np.max(np.abs(got - np.asarray(expected["values"])), initial=0.0))
                if not drift <= tolerance:
                    raise XinglinError(
                        "bundle-invalid",
                        f"模型包 {self.path.name}：{model} 在本机的输出 {name} 偏离封存值 {drift:.4g}，超过允许的 {tolerance:.4g}。",
                    )
        return sum(taken.values())


def encode_array(array: Array) -> dict[str, Any]:
    """A small array as JSON."""
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": array.ravel().tolist()}


def decode_array(entry: Mapping[str, Any]) -> Array:
    """An array from JSON: given values, or (`seed`) standard-normal noise, for inputs too large to write down."""
    if "seed" in entry:
        noise = np.random.default_rng(entry["seed"]).standard_normal(entry["shape"])
        return noise.astype(entry["dtype"])
    return np.asarray(entry["values"], dtype=entry["dtype"]).reshape(entry["shape"])


def golden_rows(
    session: ort.InferenceSession, inputs: Iterable[Mapping[str, Mapping[str, Any]]], *, model: str = "model.onnx", values: int = 64
) -> list[dict[str, Any]]:
    """Golden rows for encoded inputs (`encode_array` or seeds): `values` evenly spaced entries of each output."""
    names = [output.name for output in session.get_outputs()]
    rows = []
    for encoded in inputs:
        outputs = session.run(names, {k: decode_array(v) for k, v in encoded.items()})
        kept = {}
        for name, output in zip(names, outputs, strict=True):
            flat = np.asarray(output, dtype=np.float64).ravel()
            indices = (
                np.unique(np.linspace(0, max(flat.size - 1, 0), min(values, flat.size)).astype(int)) if flat.size else np.zeros(0, int)
            )
            kept[name] = {"indices": indices.tolist(), "values": [round(float(v), 6) for v in flat[indices]]}
        rows.append({"model": model, "inputs": dict(encoded), "outputs": kept})
    return rows


def seal(
    path: Path | str,
    *,
    task: str,
    version: str,
    fields: Mapping[str, Any] | None = None,
    golden: Sequence[Mapping[str, Any]] = (),
    golden_tolerance: float = 1e-3,
) -> dict[str, Any]:
    """Seal the folder at `path`: write `golden.jsonl` and a manifest that lists every file with hash and size.

    `fields` goes into the manifest (data-set hashes, MLflow run, metrics with intervals, thresholds, label space,
    knowledge version, source commit).

    Raises:
        ValueError: where the bundle is over 30 MB.
    """
    folder = Path(path)
    if golden:
        (folder / GOLDEN).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in golden), encoding="utf-8")
    files: dict[str, dict[str, Any]] = {
        p.relative_to(folder).as_posix(): {"sha256": digest(p), "size": p.stat().st_size}
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "manifest.json"
    }
    total = sum(entry["size"] for entry in files.values())
    if total > MAX_BYTES:
        raise ValueError(f"{folder}: {total / 2**20:.1f} MB, a bundle holds at most {MAX_BYTES / 2**20:.0f} MB")
    manifest = {
        "task": task,
        "version": version,
        "format_version": FORMAT_VERSION,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "golden_tolerance": golden_tolerance,
        **(fields or {}),
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return manifest


def released() -> list[Path]:
    """The folders of the released bundles, by name."""
    return sorted(p.parent for p in RELEASED.glob("*/manifest.json"))
