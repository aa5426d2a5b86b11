"""The pair network as the graph that serves: pairs in, a logit each out, int8."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from torch import Tensor, nn

from training.networks.pair_encoder import PairEncoder


class ServingPairs(nn.Module):
    """The network cut to ``depth`` layers, answering at its last one."""

    def __init__(self, network: PairEncoder, depth: int) -> None:
        super().__init__()
        self.network, self.depth = network, depth
        self.judge = network.judges[network.exits.index(depth)]

    def forward(self, ids: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """``(pairs, tokens)`` three times to ``(pairs,)`` logits."""
        return self.judge(self.network.states(ids, kinds, mask, self.depth)[-1])[:, 0]  # type: ignore[no-any-return]


def restored(folder: Path) -> PairEncoder:
    """The network that ``coding_pairs`` wrote to ``folder``."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    state: dict[str, Tensor] = {}
    for name in report["weights"]:
        state |= {key: value.float() for key, value in load_file(folder / name).items()}
    vocabulary, hidden = state["words.weight"].shape
    layers = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("layers."))
    network = PairEncoder(vocabulary, hidden, layers, report["heads"], state["layers.0.up.weight"].shape[0])
    network.load_state_dict(state)
    return network.eval()


def export(network: PairEncoder, depth: int, out: Path) -> None:
    """Write the graph: dynamic int8 by channel, of reduced range (processors without VNNI saturate otherwise)."""
    floating = out.with_suffix(".float32.onnx")
    ids = torch.zeros((2, 16), dtype=torch.long)
    names = ("ids", "kinds", "mask")
    torch.onnx.export(
        ServingPairs(network, depth).eval(),
        (ids, torch.zeros_like(ids), torch.ones_like(ids, dtype=torch.bool)),
        str(floating),
        input_names=list(names),
        output_names=["logit"],
        dynamic_axes={**{name: {0: "pairs", 1: "tokens"} for name in names}, "logit": {0: "pairs"}},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(str(floating))
    del graph.graph.value_info[:]
    onnx.save(graph, str(floating))
    quantize_dynamic(
        str(floating), str(out), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True, op_types_to_quantize=["MatMul", "Gather"]
    )
    floating.unlink()
