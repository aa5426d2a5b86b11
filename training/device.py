"""Where a stage trains, and how precisely it multiplies there."""

from __future__ import annotations

import contextlib

import torch


def device_at_hand() -> torch.device:
    """The accelerator where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast where the machine has instructions for it; elsewhere nothing: emulated, it is eighty times slower."""
    if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()
