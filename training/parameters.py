"""The typed parameter blocks of `params.yaml`: one pydantic model a stage, unknown keys refused."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict

PARAMS = Path("params.yaml")


class Parameters(BaseModel):
    """Base of a stage's parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=Parameters)


def load_block(model: type[P], block: str, path: Path | None = None) -> P:
    """The block of `params.yaml`, validated; defaults where the file lacks it."""
    file = path or PARAMS
    data = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return model.model_validate(data.get(block) or {})
