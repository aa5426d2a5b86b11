"""The prescription checker: allergy, doubts of each medicine, interactions, duplicates, doses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data_contracts.prescription import MedicationWarning, PrescriptionCheck
from data_contracts.record import GivenMedication
from inference.facts import facts_of
from inference.medication.allergies import allergy_classes
from inference.medication.doses import doubt_of, route_of, row_for, ways_of
from inference.medication.kidney import with_egfr
from inference.medication.names import MedicineNames
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase
from knowledge_base.conditions import Condition, Facts

_FEEDING = re.compile(r"(?<!非)(?<!未)(?<!无)(?<!停止)(母乳喂养|哺乳中|正在哺乳)")
_ORDER = {"serious": 0, "caution": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Order:
    """An order with the medicine that it means."""

    given: GivenMedication
    id: str
    medicine: Mapping[str, Any]


def _feeds_a_child(reading: Reading, facts: Facts) -> bool:
    """母乳喂养 in a woman's record means that she feeds; in a baby's that it is fed."""
    grown = facts.age_days is not None and facts.age_days / 365.25 >= 14
    return grown and facts.sex != "male" and any(_FEEDING.search(text) for text in reading.section_texts.values())


class PrescriptionChecker:
    """Checks the orders of readings against the medicines' own rules."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self.names = MedicineNames(kb)
        self.doubts: dict[str, list[tuple[Mapping[str, Any], Condition]]] = {
            ident: [(doubt, kb.condition(doubt["when"])) for doubt in medicine.get("doubts", ()) if doubt.get("enabled", True)]
            for ident, medicine in kb.medicines.items()
        }
        self.classes: Mapping[str, Any] = kb.tables.get("allergy_classes", {})
        self.repeatable: frozenset[str] = frozenset(ident for ident, group in kb.medicine_classes.items() if group["repeatable"])

    def check(self, reading: Reading) -> PrescriptionCheck:
        """Graded warnings, the most serious first, each id once."""
        orders, unknown = self._orders(reading.record.medications)
        record = facts_of(reading, self.kb)
        facts = self._known(record.facts, record.mentioned, orders)
        if _feeds_a_child(reading, facts):
            facts = replace(facts, present=facts.present | {"lactation"})
        allergic = allergy_classes(reading, self.kb)
        warnings: dict[str, MedicationWarning] = {}
        others = sorted(record.facts.medicines & set(self.kb.medicines) - {o.id for o in orders})
        found = [
            warning
            for order in orders
            for warning in (*self._allergy(order, allergic), *self._doubt(order, facts), *self._route(order), *self._dose(order, facts))
        ]
        for warning in (*found, *self._interactions(orders, others), *self._duplicates(orders)):
            known = warnings.get(warning.id)
            if known is None or _ORDER[warning.severity] < _ORDER[known.severity]:
                warnings[warning.id] = warning
        ordered = sorted(warnings.values(), key=lambda w: (_ORDER[w.severity], w.id))
        return PrescriptionCheck(id=reading.record.id, warnings=tuple(ordered), unrecognised=tuple(unknown))

    def _orders(self, given: Sequence[GivenMedication]) -> tuple[list[Order], list[str]]:
        orders, unknown = [], []
        for item in given:
            ident = self.names.find(item.name)
            if ident is None:
                unknown.append(item.name)
            else:
                orders.append(Order(item, ident, self.kb.medicines[ident]))
        return orders, unknown

    @staticmethod
    def _known(facts: Facts, mentioned: Mapping[str, str], orders: Sequence[Order]) -> Facts:
        """Facts in which diseases that the text states count as entered, the orders as taken, and an eGFR follows from creatinine."""
        stated = {ident for ident, assertion in mentioned.items() if assertion in ("present", "historical")}
        taken = {o.id for o in orders} | {group for o in orders for group in o.medicine["groups"]}
        facts = replace(facts, entered=facts.entered | stated, medicines=facts.medicines | taken)
        return with_egfr(facts)

    def _allergy(self, order: Order, allergic: Mapping[str, str]) -> list[MedicationWarning]:
        name = order.medicine["name"]
        own = {*order.medicine.get("allergy_classes", ()), f"medicine:{order.id}"}
        direct = sorted(own & set(allergic))
        if direct:
            return [
                self._warning(
                    f"allergy:{order.id}",
                    "allergy",
                    "serious",
                    (name,),
                    f"病历写有“{allergic[direct[0]]}”，{name}属同类，不宜使用。",
                    "rule:allergy_class",
                )
            ]
        found = []
        for ident in sorted(own & set(self.classes)):
            for other, row in (self.classes[ident].get("cross") or {}).items():
                if other in allergic:
                    found.append(
                        self._warning(
                            f"allergy:{order.id}:{other}",
                            "allergy",
                            row["severity"],
                            (name,),
                            f"病历写有“{allergic[other]}”，{name}可能交叉过敏：{row['message']}",
                            row["source"],
                        )
                    )
        return found

    def _doubt(self, order: Order, facts: Facts) -> list[MedicationWarning]:
        return [
            self._warning(
                f"{doubt['kind']}:{doubt['id']}:{order.id}",
                doubt["kind"],
                doubt["severity"],
                (order.medicine["name"],),
                f"{order.medicine['name']}：{doubt['message']}",
                doubt["source"],
            )
            for doubt, condition in self.doubts[order.id]
            if condition.evaluate(facts)
        ]

    def _route(self, order: Order) -> list[MedicationWarning]:
        ways = ways_of(order.given.route)
        return [
            self._warning(
                f"route:{rule['id']}",
                "contraindication",
                rule["severity"],
                (order.medicine["name"],),
                f"{order.medicine['name']}：{rule['message']}",
                rule["source"],
            )
            for rule in order.medicine.get("forbidden_routes", ())
            if rule.get("enabled", True) and ways & set(rule["routes"])
        ]

    def _dose(self, order: Order, facts: Facts) -> list[MedicationWarning]:
        row = row_for(order.medicine.get("doses", ()), route_of(order.given.route))
        if row is None or (row.get("unless") and self.kb.condition(row["unless"]).evaluate(facts)):
            return []
        weights = facts.measurements.get("weight", ())
        doubt = doubt_of(
            order.medicine["name"],
            row,
            order.given.dose,
            order.given.frequency,
            age_years=None if facts.age_days is None else facts.age_days / 365.25,
            weight=weights[0] if weights else None,
        )
        if doubt is None:
            return []
        return [self._warning(f"dose:{order.id}", "dose", doubt.severity, (order.medicine["name"],), doubt.message, row["source"])]

    def _interactions(self, orders: Sequence[Order], others: Sequence[str]) -> list[MedicationWarning]:
        found = []
        medicines = [(o.id, o.medicine, True) for o in orders] + [(ident, self.kb.medicines[ident], False) for ident in others]
        for i, (ident, medicine, ordered) in enumerate(medicines):
            for rule in medicine.get("interactions", ()):
                if not rule.get("enabled", True):
                    continue
                for j, (other_id, other, other_ordered) in enumerate(medicines):
                    if i == j or not (ordered or other_ordered) or other_id == ident:
                        continue
                    if rule["with_"] in (other_id, *other["groups"], *other.get("ingredients", ())):
                        names = (medicine["name"], other["name"])
                        pair = ":".join(sorted((ident, other_id)))
                        found.append(
                            self._warning(
                                f"interaction:{pair}",
                                "interaction",
                                rule["severity"],
                                names,
                                f"{names[0]}与{names[1]}：{rule['message']}（{rule['mechanism']}）",
                                rule["source"],
                            )
                        )
        return found

    def _duplicates(self, orders: Sequence[Order]) -> list[MedicationWarning]:
        found = []
        for i, first in enumerate(orders):
            for second in orders[i + 1 :]:
                names = (first.medicine["name"], second.medicine["name"])
                pair = ":".join(sorted((first.id, second.id)))
                shared = set(first.medicine.get("ingredients", ())) & set(second.medicine.get("ingredients", ()))
                if first.id == second.id or shared:
                    if first.given.route == second.given.route:
                        found.append(
                            self._warning(
                                f"duplicate:{pair}",
                                "duplicate",
                                "caution",
                                names,
                                f"{names[0]}与{names[1]}含相同成分，请核对是否重复。",
                                "rule:same_ingredient",
                            )
                        )
                elif set(first.medicine["groups"]) & set(second.medicine["groups"]) - self.repeatable:
                    found.append(
                        self._warning(
                            f"duplicate:{pair}",
                            "duplicate",
                            "caution",
                            names,
                            f"{names[0]}与{names[1]}属同一类药（或含同类成分），通常不合用。",
                            "rule:same_class",
                        )
                    )
        return found

    @staticmethod
    def _warning(ident: str, kind: str, severity: str, medicines: tuple[str, ...], message: str, source: str) -> MedicationWarning:
        return MedicationWarning(id=f"warning:{ident}", kind=kind, severity=severity, medicines=medicines, message=message, source=source)  # type: ignore[arg-type]
