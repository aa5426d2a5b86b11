"""Inputs that the colorectal screening scores share."""

from __future__ import annotations

from knowledge_base.rules.instrument import flag

FH_CRC = flag("fh_crc", "一级亲属结直肠癌")
EVER_SMOKER = flag("ever_smoker", "吸过烟")
