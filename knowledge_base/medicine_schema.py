"""The schema of medicine entries: which disease, state, allergy or co-medicine makes an order doubtful is data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from knowledge_base.schema import Content, Identifier

Severity = Literal["serious", "caution", "note"]


class Doubt(Content):
    """A rule that makes an order doubtful: condition over the record, kind, severity, message, source, examples."""

    id: Identifier
    when: str
    kind: Literal["allergy", "contraindication", "pregnancy", "lactation", "age", "renal", "hepatic", "dose"]
    severity: Severity
    message: str
    source: str
    fires: tuple[str, ...] = ()
    must_not_fire: tuple[str, ...] = ()
    enabled: bool = True


class DoseRange(Content):
    """Usual doses: per single dose and per day, adults; per kg and day for children."""

    route: str = "po"
    unit: str
    single: tuple[float, float] | None = None
    daily: tuple[float, float] | None = None
    daily_max: float | None = None
    per_kg_daily: tuple[float, float] | None = None
    child_daily_max: float | None = None
    weekly_max: float | None = None
    """Most in a week, for medicines taken once a week: a daily order of them is a known fatal error."""
    unless: str | None = None
    """Condition under which the usual doses do not bind (atropine in organophosphate poisoning)."""
    frequency: str | None = None
    source: str = "estimate"


class ForbiddenRoute(Content):
    """Ways that a medicine must not be given, as `push`, `drip`, `iv`, `im`, `sc` (iv: push, drip or unsaid)."""

    id: Identifier
    routes: tuple[Literal["push", "drip", "iv", "im", "sc"], ...]
    severity: Severity
    message: str
    source: str
    enabled: bool = True


class Interaction(Content):
    """An interaction with a medicine or a class of medicines."""

    id: Identifier
    with_: str = Field(alias="with")
    severity: Severity
    mechanism: str
    message: str
    source: str
    enabled: bool = True


class MedicineClass(Content):
    """Rules that hold for a whole class of medicines (`content/medicine_classes.yaml`)."""

    name: str
    allergy_classes: tuple[Identifier, ...] = ()
    repeatable: bool = False
    """Whether two medicines of the class are commonly used together."""
    doubts: tuple[Doubt, ...] = ()
    interactions: tuple[Interaction, ...] = ()


class MedicineEntry(Content):
    """A medicine of primary care, by generic name."""

    id: Identifier
    name: str
    aliases: tuple[str, ...] = ()
    atc: str
    drug_class: Identifier
    allergy_classes: tuple[Identifier, ...] = ()
    ingredients: tuple[Identifier, ...] = ()
    """Active substances; one that is a medicine here itself brings its own and its class's rules along."""
    groups: tuple[Identifier, ...] = ()
    """Properties across classes, as classes of medicine_classes.yaml (`qt_prolonging`, `serotonergic`)."""
    except_rules: tuple[Identifier, ...] = ()
    """Rules of the class that do not hold for this medicine."""
    indications: tuple[str, ...] = ()
    indication_diseases: tuple[Identifier, ...] = ()
    chronic: bool = False
    doubts: tuple[Doubt, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    doses: tuple[DoseRange, ...] = ()
    forbidden_routes: tuple[ForbiddenRoute, ...] = ()
    notes: str | None = None

    def conditions(self) -> Iterator[tuple[str, str]]:
        """Every condition with its place."""
        for doubt in self.doubts:
            yield f"doubts.{doubt.id}", doubt.when
        for row in self.doses:
            if row.unless:
                yield f"doses.{row.route}", row.unless

    def named_diseases(self) -> Iterator[str]:
        """Every disease id that the entry names outside its conditions."""
        yield from self.indication_diseases
