"""The rules of the resident plan (`plan.yaml`), read once: conditions over instrument outputs and facts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("plan.yaml")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
Facts = Mapping[str, Any]


def entry_holds(facts: Facts, name: str, wanted: Any) -> bool:
    """Whether a fact meets what is wanted; an unknown fact never does."""
    have = facts.get(name)
    if have is None:
        return False
    if isinstance(wanted, list):
        return have in wanted
    if isinstance(wanted, str):
        sign, _, number = wanted.partition(" ")
        if sign in COMPARISONS and number:
            return isinstance(have, (int, float)) and not isinstance(have, bool) and COMPARISONS[sign](have, float(number))
    return bool(have == wanted)


@dataclass(frozen=True)
class PlanRule:
    """A rule: its id, what it says, and when."""

    id: str
    when: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any]

    def holds(self, facts: Facts) -> bool:
        """Whether any alternative holds in full."""
        return any(all(entry_holds(facts, name, wanted) for name, wanted in alternative.items()) for alternative in self.when)


@dataclass(frozen=True)
class PlanRules:
    """Everything `plan.yaml` says, in its order."""

    levels: tuple[PlanRule, ...]
    sections: Mapping[str, tuple[PlanRule, ...]]

    def firing(self, section: str, facts: Facts) -> list[PlanRule]:
        """The rules of a section that hold."""
        return [rule for rule in self.sections[section] if rule.holds(facts)]

    def all(self) -> Sequence[PlanRule]:
        """Every rule."""
        return [*self.levels, *(rule for rules in self.sections.values() for rule in rules)]


def _rule(entry: dict[str, Any], name: str | None = None) -> PlanRule:
    return PlanRule(name or entry["id"], tuple(entry["when"]), {key: value for key, value in entry.items() if key not in ("id", "when")})


@cache
def plan_rules() -> PlanRules:
    """Read the rules."""
    data = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    levels = tuple(_rule(entry, name) for name, entry in data.pop("levels").items())
    return PlanRules(levels, {section: tuple(_rule(entry) for entry in entries) for section, entries in data.items()})
