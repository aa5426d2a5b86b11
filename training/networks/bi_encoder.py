"""The ranker's bi-encoder: one encoder for records and for disease views, CLS, unit length."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel


class BiEncoder(nn.Module):
    """A BERT encoder whose normalised first-token vector represents the text."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, tokens) ids and mask to (batch, hidden) unit vectors."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        return nn.functional.normalize(hidden.float(), dim=-1)


def pretrained(folder: Path) -> BiEncoder:
    """The pretrained Chinese encoder from a local folder or hub id."""
    return BiEncoder(AutoModel.from_pretrained(str(folder), add_pooling_layer=False))


def of_released(graph_file: Path) -> BiEncoder:
    """The encoder of a released bundle in floats again, from its int8 graph: what a run can start from when no checkpoint is left.

    Weights are (code - zero point) x scale.
    """
    graph = onnx.load(str(graph_file)).graph
    sealed = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = {node.input[1]: node.name for node in graph.node if node.op_type == "MatMulInteger"}
    weights: dict[str, Tensor] = {}
    for name, values in sealed.items():
        stem = name.removesuffix("_quantized")
        if name.startswith("encoder.") and values.dtype == np.float32 and not name.endswith("_scale"):
            weights[name] = torch.from_numpy(values.copy())
        elif stem != name:
            floats = (values.astype(np.float32) - sealed[f"{stem}_zero_point"].astype(np.float32)) * sealed[f"{stem}_scale"]
            if name in layers:  # /encoder/encoder/layer.0/attention/self/query/MatMul_quant, as inputs by outputs
                stem = layers[name].removeprefix("/").rpartition("/")[0].replace("/", ".") + ".weight"
                floats = floats.T
            weights[stem] = torch.from_numpy(np.ascontiguousarray(floats))
    return of_weights(weights)


def of_weights(weights: dict[str, Tensor]) -> BiEncoder:
    """The encoder that a state dictionary belongs to, with its weights; heads are taken to be 64 wide, as in the pretrained one.

    Raises:
        RuntimeError: weights are missing or unknown.
    """
    vocabulary, hidden = weights["encoder.embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=sum(name.endswith("intermediate.dense.weight") for name in weights),
        num_attention_heads=hidden // 64,
        intermediate_size=weights["encoder.encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights["encoder.embeddings.position_embeddings.weight"].shape[0],
    )
    model = BiEncoder(BertModel(config, add_pooling_layer=False))
    model.load_state_dict(weights)
    return model


def tiny(vocabulary: int) -> BiEncoder:
    """A small random encoder, for the end-to-end test on machines without weights."""
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=512,
    )
    return BiEncoder(BertModel(config, add_pooling_layer=False))


def mended_tokenizer(source: Path, texts: Iterable[str], out: Path) -> list[str]:
    """Write `tokenizer.json` with the characters that the vocabulary lacks put into its unused slots.

    The ids and the size of the embedding stay; the most frequent missing characters of `texts` are taken.

    Returns:
        The characters that were added.
    """
    data = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = data["model"]["vocab"]
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            if "㐀" <= character <= "鿿" and character not in vocabulary:
                counts[character] = counts.get(character, 0) + 1
    slots = sorted((name for name in vocabulary if name.startswith("[unused")), key=lambda name: vocabulary[name])
    added = sorted(counts, key=lambda c: (-counts[c], c))[: len(slots)]
    for character, slot in zip(added, slots, strict=False):
        vocabulary[character] = vocabulary.pop(slot)
    data["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    out.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return added


def small_tokenizer(texts: Iterable[str], out: Path) -> int:
    """Write a character tokenizer over the texts, for machines without the pretrained one; its vocabulary size."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    characters = sorted({c.lower() for text in texts for c in text if not c.isspace()})[:6000]
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(out))
    return len(vocabulary)
