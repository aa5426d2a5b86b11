"""Inputs that the COPD instruments share."""

from __future__ import annotations

from knowledge_base.rules.instrument import count

CAT = count("cat", "CAT评分", 40)
MMRC = count("mmrc", "mMRC呼吸困难分级", 4)
