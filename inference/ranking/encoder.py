"""The ranker's encoder: text to a unit vector, through ONNX Runtime, one window a call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.bundle import Bundle

BUCKETS = (16, 32, 64, 128, 256)
Matrix = npt.NDArray[np.float32]


class TextEncoder:
    """Encodes texts one at a time at fixed lengths, so that a batch gives the same bits as single calls."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.tokenizer = Tokenizer.from_file(str(bundle.file("tokenizer.json")))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length=int(bundle.manifest.get("max_tokens", BUCKETS[-1])))
        self.session = bundle.session("model.onnx")
        self.dimension = int(self.session.get_outputs()[0].shape[-1])

    def encode_one(self, text: str) -> Matrix:
        """The unit vector (dimension,) of one text."""
        ids = self.tokenizer.encode(text).ids
        length = next((bucket for bucket in BUCKETS if bucket >= len(ids)), BUCKETS[-1])
        ids = ids[:length]
        input_ids = np.zeros((1, length), dtype=np.int64)
        input_ids[0, : len(ids)] = ids
        mask = np.zeros((1, length), dtype=np.int64)
        mask[0, : len(ids)] = 1
        vector = self.session.run(None, {"input_ids": input_ids, "attention_mask": mask})[0][0]
        return np.asarray(vector, dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors (n, dimension)."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([self.encode_one(text) for text in texts])
