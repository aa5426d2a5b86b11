"""The Reading: one record, read once; every capability stands on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from data_contracts.record import Record
from data_contracts.structure import Duration, Entity, Measurement, Section


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Who the record is about, from `patient` or, where that lacks them, from the text."""

    sex: str = "unknown"  # male | female | unknown
    age_days: float | None = None
    pregnancy_weeks: float | None = None
    pregnant: bool = False

    @property
    def age_years(self) -> float | None:
        """Age in years."""
        return None if self.age_days is None else self.age_days / 365.25


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record says.

    `text` is the text that offsets of whole-text records count in; for records given as `sections` it is None and each
    span's `section` names the value that its offsets count in. `entities` carry assertion, cue and concept;
    `measurements` are in order of the text, given ones (without a place) in `given`.
    """

    record: Record
    patient: PatientFacts
    sections: tuple[Section, ...]
    entities: tuple[Entity, ...]
    measurements: tuple[Measurement, ...]
    durations: tuple[Duration, ...]
    given: tuple[Measurement, ...] = ()
    reader_version: str = "rules"
    section_texts: dict[str | None, str] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    """Places in `entities` of readings that serve ranking alone (names that lie inside a trained span); `structure` leaves
    them out."""
