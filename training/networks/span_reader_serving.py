"""The reader as the graph that serves: one window in, the spans above their thresholds out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.nn import functional

from training.networks.span_reader import BAND, HEAD_SIZE, MASKED, SpanReader, rotary, rotate


class ServingReader(nn.Module):
    """A chosen set of channels over the encoder, written out plainly so that the exported graph stays small.

    ``served`` lists, for each answered label, the channels whose scores are averaged.
    """

    mixing: Tensor
    widths: Tensor
    cosines: Tensor
    sines: Tensor

    def __init__(self, reader: SpanReader, served: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.encoder = reader.encoder
        self.assertion_hidden = reader.assertion_hidden
        self.assertion_record = reader.assertion_record
        flat = [channel for channels in served for channel in channels]
        hidden = reader.head_weight.shape[-1]
        self.head = nn.Linear(hidden, len(flat) * 2 * HEAD_SIZE)
        self.head.weight.data = reader.head_weight.data[flat].reshape(-1, hidden)
        self.head.bias.data = reader.head_bias.data[flat].reshape(-1)
        mixing = torch.zeros(len(served), len(flat))
        widths = torch.zeros(len(served), BAND)
        place = 0
        for label, channels in enumerate(served):
            for channel in channels:
                mixing[label, place] = 1.0 / len(channels)
                widths[label] += reader.width_bias.data[channel] / len(channels)
                place += 1
        self.mixed = any(len(channels) > 1 for channels in served)
        self.register_buffer("mixing", mixing)
        self.register_buffer("widths", functional.pad(widths, (0, 1), value=MASKED))
        config = reader.encoder.config
        self.heads = int(config.num_attention_heads)
        self.head_scale = (int(config.hidden_size) / self.heads) ** 0.5
        cosines, sines = rotary(int(config.max_position_embeddings), HEAD_SIZE)
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)

    def encode(self, ids: Tensor, length: Tensor) -> Tensor:
        """Hidden states of all tokens, ``(1, tokens, hidden)``."""
        embeddings = self.encoder.embeddings
        tokens = ids.shape[1]
        states = embeddings.word_embeddings(ids) + embeddings.position_embeddings.weight[:tokens]
        states = embeddings.LayerNorm(states + embeddings.token_type_embeddings.weight[0])
        penalty = (torch.arange(tokens) >= length).to(states.dtype) * -1e4
        for layer in self.encoder.encoder.layer:
            attention = layer.attention.self
            query, key, value = (
                part(states).reshape(1, tokens, self.heads, -1).transpose(1, 2)
                for part in (attention.query, attention.key, attention.value)
            )
            scores = query @ key.transpose(-1, -2) / self.head_scale + penalty
            context = (scores.softmax(-1) @ value).transpose(1, 2).reshape(1, tokens, -1)
            output = layer.attention.output
            states = output.LayerNorm(output.dense(context) + states)
            inner = functional.gelu(layer.intermediate.dense(states))
            states = layer.output.LayerNorm(layer.output.dense(inner) + states)
        return states

    def forward(self, ids: Tensor, length: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Spans above the thresholds.

        Args:
            ids: ``(1, tokens)`` int64, CLS and SEP and padding among them.
            length: ``(1,)`` number of real tokens.
            thresholds: ``(labels,)`` float32.

        Returns:
            ``(spans, 3)`` label, first and last code point; ``(spans,)`` logits; ``(spans, 7)`` assertion logits.
        """
        states = self.encode(ids, length)[0, 1:-1]
        n = states.shape[0]
        projected = self.head(states).reshape(n, -1, 2, HEAD_SIZE).permute(2, 1, 0, 3)
        turned = rotate(projected, self.cosines[:n], self.sines[:n])
        scores = turned[0] @ turned[1].transpose(-1, -2) / HEAD_SIZE**0.5
        if self.mixed:
            scores = (self.mixing @ scores.flatten(1)).reshape(-1, n, n)
        places = torch.arange(n)
        width = places[None, :] - places[:, None]
        inside = (width >= 0) & (width < BAND) & (places[None, :] < length - 2)
        scores = scores + self.widths[:, torch.where(inside, width, torch.full_like(width, BAND))]
        spans = (scores > thresholds[:, None, None]).nonzero()
        label, first, last = spans[:, 0], spans[:, 1], spans[:, 2]
        sums = functional.pad(states.cumsum(0), (0, 0, 1, 0))
        mean = (sums[last + 1] - sums[first]) / (last + 1 - first).unsqueeze(-1)
        vectors = torch.cat((states[first], states[last], mean), dim=-1)
        assertions = self.assertion_record(functional.gelu(self.assertion_hidden(vectors)))
        return spans, scores[label, first, last], assertions


def export(reader: SpanReader, served: Sequence[Sequence[int]], path: Path, quantised: bool) -> None:
    """Write the graph to ``path``, int8 with reduced range if asked (embedding and encoder; heads' scores stay float)."""
    serving = ServingReader(reader, served).eval()
    raw = path.with_suffix(".fp32.onnx") if quantised else path
    labels = len(served)
    example = (torch.full((1, 64), 5), torch.tensor([60]), torch.full((labels,), -1e3))
    torch.onnx.export(
        serving, example, str(raw), input_names=["ids", "length", "thresholds"], output_names=["spans", "logits", "assertions"],
        dynamic_axes={"ids": {1: "tokens"}, "spans": {0: "found"}, "logits": {0: "found"}, "assertions": {0: "found"}},
        opset_version=17, dynamo=False,
    )  # fmt: skip
    if not quantised:
        return
    model = onnx.load(str(raw))
    del model.graph.value_info[:]
    onnx.save(model, str(raw))
    kept = [
        node.name
        for node in model.graph.node
        if "assertion" in node.name or (node.op_type == "Gather" and "word_embeddings" not in node.name)
    ]
    quantize_dynamic(
        str(raw), str(path), per_channel=True, reduce_range=True, weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"], nodes_to_exclude=kept,
    )  # fmt: skip
    raw.unlink()
