"""The table from record names to instrument inputs (`input_names.yaml`), compiled once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("input_names.yaml")


@dataclass(frozen=True)
class NameRule:
    """A diagnosis or medicine that answers flags with yes."""

    name: re.Pattern[str]
    but: re.Pattern[str] | None
    icd10: tuple[str, ...]
    flags: tuple[str, ...]
    drug_class: str | None

    def matches(self, name: str, code: str | None = None) -> bool:
        """Whether the name or the ICD-10 code falls under this rule."""
        if self.icd10 and code and code.upper().startswith(self.icd10):
            return True
        return bool(self.name.search(name)) and not (self.but is not None and self.but.search(name))


@dataclass(frozen=True)
class RecordNames:
    """Everything `input_names.yaml` says."""

    measurements: dict[str, str]
    averaged: frozenset[str]
    diagnoses: tuple[NameRule, ...]
    medications: tuple[NameRule, ...]

    @property
    def diagnosis_flags(self) -> frozenset[str]:
        """Every flag that a diagnosis can answer."""
        return frozenset(flag for rule in self.diagnoses for flag in rule.flags)

    @property
    def medication_flags(self) -> frozenset[str]:
        """Every flag that a medicine can answer."""
        return frozenset(flag for rule in self.medications for flag in rule.flags)


def _rule(entry: dict[str, Any]) -> NameRule:
    return NameRule(
        re.compile(entry["name"], re.IGNORECASE),
        re.compile(entry["but"]) if entry.get("but") else None,
        tuple(entry.get("icd10", ())),
        tuple(entry["flags"]),
        entry.get("class"),
    )


@cache
def record_names() -> RecordNames:
    """Read the table."""
    data = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return RecordNames(
        dict(data["measurements"]),
        frozenset(data["averaged"]),
        tuple(_rule(entry) for entry in data["diagnoses"]),
        tuple(_rule(entry) for entry in data["medications"]),
    )
