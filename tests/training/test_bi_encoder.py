"""The ranker's encoder: a run can start from what is released."""

from __future__ import annotations

import torch

from inference.ranking.encoder import TextEncoder
from models.bundle import RELEASED, Bundle
from training.networks.bi_encoder import of_released


def test_a_released_encoder_is_read_back_in_floats() -> None:
    served = TextEncoder(Bundle.open(RELEASED / "ranker", replay=0))
    model = of_released(RELEASED / "ranker" / "model.onnx").eval()
    for text in ("男 61岁 | 胸痛2小时 | 活动后胸骨后压榨样痛，大汗", "女 5岁 | 咳嗽发热3天"):
        ids = torch.tensor([served.tokenizer.encode(text).ids])
        with torch.no_grad():
            vector = model(ids, torch.ones_like(ids))[0].numpy()
        assert float(vector @ served.encode_one(text)) > 0.99
