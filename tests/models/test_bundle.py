"""Sealed bundles: opened only whole, replayed, replaced whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from data_contracts.problems import XinglinError
from models.bundle import Bundle, encode_array, golden_rows, released, seal, session_options
from models.gate import promote, worse


def tiny_model(path: Path, factor: float = 2.0) -> None:
    node = helper.make_node("Mul", ["x", "k"], ["y"])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])],
        [helper.make_tensor("k", TensorProto.FLOAT, [1], [factor])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import onnxruntime as ort

    place = tmp_path / "toy"
    place.mkdir()
    tiny_model(place / "model.onnx")
    session = ort.InferenceSession(str(place / "model.onnx"), session_options(), providers=["CPUExecutionProvider"])
    seal(place, task="toy", version="1", golden=golden_rows(session, [{"x": encode_array(np.array([1.0, 3.0], dtype=np.float32))}]))
    return place


def test_opens_and_replays(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert bundle.replay() == 1
    assert bundle.session().run(None, {"x": np.array([2.0], dtype=np.float32)})[0].tolist() == [4.0]


@pytest.mark.parametrize("harm", ["flip", "missing", "stranger", "newer", "drift"])
def test_refuses_what_is_not_whole(folder: Path, harm: str) -> None:
    manifest = folder / "manifest.json"
    if harm == "flip":
        data = bytearray((folder / "model.onnx").read_bytes())
        data[40] ^= 1
        (folder / "model.onnx").write_bytes(bytes(data))
        said = "model.onnx"
    elif harm == "missing":
        (folder / "golden.jsonl").unlink()
        said = "golden.jsonl"
    elif harm == "stranger":
        (folder / "extra.bin").write_bytes(b"x")
        said = "extra.bin"
    elif harm == "newer":
        data_ = json.loads(manifest.read_text())
        manifest.write_text(json.dumps(data_ | {"format_version": 99}))
        said = "格式版本"
    else:
        tiny_model(folder / "model.onnx", factor=2.5)
        golden = [json.loads(line) for line in (folder / "golden.jsonl").read_text().splitlines()]
        seal(folder, task="toy", version="1", golden=golden)
        said = "偏离"
    with pytest.raises(XinglinError) as caught:
        Bundle.open(folder)
    assert said in str(caught.value)


def test_gate_keeps_the_better_champion(folder: Path, tmp_path: Path) -> None:
    place, reports = tmp_path / "released", tmp_path / "reports"
    place.mkdir()
    reports.mkdir()
    assert "启用" in promote(folder, reports, released=place)
    (reports / "toy.json").write_text(json.dumps({"top1": 0.6}))
    (reports / "toy.candidate.json").write_text(json.dumps({"top1": 0.5}))
    with pytest.raises(XinglinError, match="top1"):
        promote(folder, reports, released=place)
    (reports / "toy.candidate.json").write_text(json.dumps({"top1": 0.61}))
    promote(folder, reports, released=place)
    assert (place / ".previous" / "toy" / "manifest.json").is_file()


def test_safety_may_not_fall_at_all() -> None:
    assert worse({"safety": {"found": 0.98}}, {"safety": {"found": 0.979}})
    assert not worse({"set": {"top1": 0.5}}, {"set": {"top1": 0.495}})


@pytest.mark.parametrize("path", released(), ids=lambda path: path.name)
def test_released_bundles_are_whole(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copytree(path, copy)
    bundle = Bundle.open(copy, replay=0)
    assert bundle.replay() > 0
    assert (copy / "CARD.md").is_file()
