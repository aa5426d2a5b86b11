"""The base of every contract: immutable, strict about unknown fields, serialised under its public names."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Contract(BaseModel):
    """A frozen model that refuses unknown fields and speaks its public field names."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class InputContract(Contract):
    """A contract that comes in from outside: a null field equals an absent one."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data
