"""The one small expression form of red flags, alerts, quality items and prescription rules.

    right_lower_quadrant_pain and (abdominal_rigidity or temperature >= 39) and not absent(vomiting)

A finding id is true when asserted present (or implied by a child). `absent(x)`, `possible(x)`, `history(x)`, `family(x)`,
`takes(medicine)`, `entered(disease)`; a measurement name is compared with numbers and false when unknown (true when any
of its values satisfies the comparison); `age_years`, `age_months`, `age_days`, `pregnancy_weeks`, `sex`, `pregnant`,
`duration_days(x)`; `and or not ( )`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from knowledge_base.measurement_names import CONTEXTUAL, NAMES

FUNCTIONS: frozenset[str] = frozenset({"absent", "possible", "history", "family", "takes", "entered", "duration_days"})
NUMBERS: frozenset[str] = frozenset({"age_years", "age_months", "age_days", "pregnancy_weeks"})
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(slots=True)
class Facts:
    """What a condition may ask of a record; finding sets include the ancestors of present findings."""

    present: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    possible: set[str] = field(default_factory=set)
    historical: set[str] = field(default_factory=set)
    family: set[str] = field(default_factory=set)
    measurements: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    medicines: set[str] = field(default_factory=set)
    entered: set[str] = field(default_factory=set)
    durations: Mapping[str, float] = field(default_factory=dict)
    sex: str = "unknown"
    age_days: float | None = None
    pregnancy_weeks: float | None = None
    pregnant: bool = False

    def told(self) -> set[str]:
        """The findings and measurements that the record states: what can make a condition with `triggers` true."""
        return self.present | {name for name, values in self.measurements.items() if values}

    def number(self, name: str) -> tuple[float, ...]:
        """The known values of a measurement or demographic number."""
        if name == "pregnancy_weeks":
            return () if self.pregnancy_weeks is None else (self.pregnancy_weeks,)
        if name in NUMBERS:
            if self.age_days is None:
                return ()
            return ({"age_years": self.age_days / 365.25, "age_months": self.age_days / 30.4375, "age_days": self.age_days}[name],)
        return tuple(self.measurements.get(name, ()))


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition: evaluate on facts, or ask what it names.

    `triggers` are findings and measurements without any of which it cannot be true; None where it may be true without.
    """

    text: str
    evaluate: Callable[[Facts], bool]
    findings: frozenset[str]
    measurements: frozenset[str]
    medicines: frozenset[str]
    diseases: frozenset[str]
    triggers: frozenset[str] | None


class ConditionError(ValueError):
    """A condition that does not parse or that names something unknown."""


def parse(
    text: str,
    *,
    findings: Callable[[str], bool],
    medicines: Callable[[str], bool] = lambda _: True,
    diseases: Callable[[str], bool] = lambda _: True,
) -> Condition:
    """Parse a condition; the callables say which ids exist.

    Raises:
        ConditionError: naming the unknown name or the construct that is not allowed.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ConditionError(f"condition does not parse: {text!r}") from error
    used: dict[str, set[str]] = {"finding": set(), "measurement": set(), "medicine": set(), "disease": set()}

    def finding(name: str) -> str:
        if not findings(name):
            raise ConditionError(f"unknown finding {name!r} in {text!r}")
        used["finding"].add(name)
        return name

    def number(node: ast.expr) -> Callable[[Facts], tuple[float, ...]]:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            value = float(node.value)
            return lambda facts: (value,)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            negative = -float(node.operand.value)  # type: ignore[arg-type]
            return lambda facts: (negative,)
        if isinstance(node, ast.Name):
            name = node.id
            if name not in NAMES and name not in CONTEXTUAL and name not in NUMBERS:
                raise ConditionError(f"unknown measurement {name!r} in {text!r}")
            used["measurement"].add(name)
            return lambda facts: facts.number(name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "duration_days":
            name = finding(argument(node))
            return lambda facts: (facts.durations[name],) if name in facts.durations else ()
        raise ConditionError(f"not a number: {ast.unparse(node)!r} in {text!r}")

    def argument(node: ast.Call) -> str:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Name):
            raise ConditionError(f"{ast.unparse(node)!r} takes one name")
        return node.args[0].id

    def boolean(node: ast.expr) -> Callable[[Facts], bool]:
        if isinstance(node, ast.BoolOp):
            parts = [boolean(value) for value in node.values]
            if isinstance(node.op, ast.And):
                return lambda facts: all(part(facts) for part in parts)
            return lambda facts: any(part(facts) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = boolean(node.operand)
            return lambda facts: not inner(facts)
        if isinstance(node, ast.Compare):
            return comparison(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            return call(node.func.id, argument(node))
        if isinstance(node, ast.Name):
            if node.id == "pregnant":
                return lambda facts: facts.pregnant or facts.pregnancy_weeks is not None
            name = finding(node.id)
            return lambda facts: name in facts.present
        raise ConditionError(f"not allowed in a condition: {ast.unparse(node)!r}")

    def call(function: str, name: str) -> Callable[[Facts], bool]:
        if function == "takes":
            if not medicines(name):
                raise ConditionError(f"unknown medicine {name!r} in {text!r}")
            used["medicine"].add(name)
            return lambda facts: name in facts.medicines
        if function == "entered":
            if not diseases(name):
                raise ConditionError(f"unknown disease {name!r} in {text!r}")
            used["disease"].add(name)
            return lambda facts: name in facts.entered
        finding(name)
        if function == "absent":
            return lambda facts: name in facts.absent
        if function == "possible":
            return lambda facts: name in facts.possible
        if function == "history":
            return lambda facts: name in facts.historical or name in facts.present
        if function == "family":
            return lambda facts: name in facts.family
        raise ConditionError(f"{function} is a number and must be compared: {text!r}")

    def comparison(node: ast.Compare) -> Callable[[Facts], bool]:
        if isinstance(node.left, ast.Name) and node.left.id == "sex":
            if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)) or not isinstance(node.comparators[0], ast.Constant):
                raise ConditionError(f'sex is compared as sex == "female": {text!r}')
            wanted = node.comparators[0].value
            if wanted not in ("male", "female"):
                raise ConditionError(f'sex is "male" or "female": {text!r}')
            equal = isinstance(node.ops[0], ast.Eq)
            return lambda facts: facts.sex != "unknown" and (facts.sex == wanted) == equal
        sides = [number(node.left), *(number(side) for side in node.comparators)]
        operators = []
        for op in node.ops:
            if type(op) not in _COMPARE:
                raise ConditionError(f"comparison not allowed: {text!r}")
            operators.append(_COMPARE[type(op)])

        def compare(facts: Facts) -> bool:
            values = [side(facts) for side in sides]
            return all(any(op(x, y) for x in values[i] for y in values[i + 1]) for i, op in enumerate(operators))

        return compare

    evaluate = boolean(tree)
    return Condition(
        text,
        evaluate,
        frozenset(used["finding"]),
        frozenset(used["measurement"]),
        frozenset(used["medicine"]),
        frozenset(used["disease"]),
        _triggers(tree),
    )


def _triggers(node: ast.expr) -> frozenset[str] | None:
    """Of a conjunction the smallest set of its parts, of a disjunction all of them together; denials and demographics give none."""
    if isinstance(node, ast.BoolOp):
        parts = [_triggers(value) for value in node.values]
        if isinstance(node.op, ast.And):
            return min((part for part in parts if part is not None), key=len, default=None)
        return None if None in parts else frozenset().union(*(part for part in parts if part is not None))
    if isinstance(node, ast.Name):
        return None if node.id == "pregnant" else frozenset({node.id})
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        measured = [side.id for side in sides if isinstance(side, ast.Name) and (side.id in NAMES or side.id in CONTEXTUAL)]
        return frozenset(measured[:1]) or None
    return None
