"""Where a stage trains."""

from __future__ import annotations

import torch


def device_at_hand() -> torch.device:
    """The accelerator where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
