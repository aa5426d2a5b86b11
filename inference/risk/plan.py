"""The resident plan: all grades together become one level, one plan, one next visit, referrals and goals as numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from knowledge_base.rules.plan_rules import PlanRule, plan_rules
from knowledge_base.rules.policy import Policy

ROUTINE = {"id": "routine", "name": "常规管理"}
URGENCIES = ("immediate", "today", "soon", "routine")
Facts = Mapping[str, Any]


def _goals(facts: Facts, policy: Policy) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One goal a quantity, and every conflict that was settled on the way: the later source wins (rank), then the
    stricter number."""
    rules = [rule for rule in plan_rules().firing("goals", facts) if rule.body.get("edition", policy.name) == policy.name]
    by_quantity: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        value = facts.get(rule.body["field"]) if "field" in rule.body else rule.body["value"]
        if value is None:
            continue
        goal = {
            "id": rule.id,
            "quantity": rule.body["quantity"],
            "label": rule.body["label"],
            "below": value,
            "text": rule.body["text"].format(value=value) if "field" in rule.body else rule.body["text"],
            "source": rule.body["source"],
            "unconfirmed": bool(rule.body.get("unconfirmed", False)),
            "rank": rule.body["rank"],
        }
        by_quantity.setdefault(rule.body["quantity"], []).append(goal)
    goals, conflicts = [], []
    for quantity, candidates in by_quantity.items():
        ordered = sorted(candidates, key=lambda goal: (-goal["rank"], goal["below"]))
        best = ordered[0]
        now = facts.get(quantity)
        chosen = {key: value for key, value in best.items() if key != "rank"}
        chosen["now"] = now
        chosen["met"] = None if now is None else bool(now < best["below"])
        if quantity == "sbp" and facts.get("dbp") is not None:
            # A pressure goal names both numbers; the diastolic limit is 80 beside 130 and 90 beside the others.
            chosen["also_now"] = facts["dbp"]
            chosen["met"] = chosen["met"] and facts["dbp"] < (80 if best["below"] == 130 else 90)
        goals.append(chosen)
        others = [goal for goal in ordered[1:] if goal["below"] != best["below"]]
        if others:
            conflicts.append(
                {
                    "quantity": quantity,
                    "chosen": {"text": best["text"], "source": best["source"]},
                    "set_aside": [{"text": goal["text"], "source": goal["source"]} for goal in others],
                    "because": "较新或更贴合此人的依据优先" if others[0]["rank"] < best["rank"] else "同级依据取较严格者",
                }
            )
    return goals, conflicts


def _say(rule: PlanRule) -> dict[str, Any]:
    return {"id": rule.id, **{key: value for key, value in rule.body.items() if key not in ("rank",)}}


def build_plan(facts: Facts, policy: Policy, *, today: dt.date | None, alerts: list[dict[str, str]]) -> dict[str, Any]:
    """The plan of one resident.

    Args:
        facts: `instrument.field` and input names to values; unknown ones absent or None.
        policy: editions in force.
        today: the encounter's date; without one the next visit is given in days only.
        alerts: alerts of the trend, whose referrals join the list.
    """
    rules = plan_rules()
    level = next(({"id": rule.id, "name": rule.body["name"]} for rule in rules.levels if rule.holds(facts)), ROUTINE)
    visits = rules.firing("visits", facts)
    visit = min(visits, key=lambda rule: rule.body["days"])
    days = int(visit.body["days"])
    goals, conflicts = _goals(facts, policy)
    referrals = [_say(rule) for rule in rules.firing("referrals", facts)]
    referrals += [
        {"id": alert["id"], "urgency": "soon", "say": alert["message"]}
        for alert in alerts
        if alert["id"] in ("trend:bp_uncontrolled_twice", "trend:fpg_uncontrolled_twice", "trend:egfr_falling")
    ]
    referrals.sort(key=lambda referral: URGENCIES.index(referral["urgency"]))
    tests: dict[str, dict[str, Any]] = {}
    for rule in rules.firing("tests", facts):
        due = _say(rule)
        if rule.body["test"] not in tests or due["months"] < tests[rule.body["test"]]["months"]:
            tests[rule.body["test"]] = due
    return {
        "level": level,
        "policy": policy.name,
        "next_visit": {
            "days": days,
            "date": None if today is None else (today + dt.timedelta(days=days)).isoformat(),
            "reason": visit.id,
            "say": visit.body["say"],
        },
        "referral": referrals,
        "goals": goals,
        "conflicts": conflicts,
        "advice": [_say(rule) for rule in rules.firing("advice", facts)],
        "medicines_to_discuss": [_say(rule) for rule in rules.firing("medicines", facts)],
        "tests_due": list(tests.values()),
        "vaccination": [_say(rule) for rule in rules.firing("vaccines", facts)],
    }
