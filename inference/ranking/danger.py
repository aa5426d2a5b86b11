"""A red flag where no rule fires but the record reads like those of diseases that must not be missed.

Rules hold the pictures that somebody wrote down; patients are sicker in more ways than that. The taught part judges the whole record
(`TaughtScores.danger`), and above a threshold fitted on calm records (`fusion.json`, `danger_from`) one flag for the same day is
raised, naming the dangerous candidates that rank highest. It never speaks beside a rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from data_contracts.diagnosis import Candidate, RedFlag
from data_contracts.spans import Evidence

RULE = "taught_danger"
SUSPECTS = 2
"""How many dangerous candidates the flag names."""


def danger_flag(suspects: Sequence[Candidate], evidence: Sequence[Evidence]) -> RedFlag:
    """The flag of a record that reads dangerous; `suspects` are its must-not-miss candidates, the likeliest first, `evidence` theirs."""
    names = "、".join(suspect.name for suspect in suspects)
    return RedFlag(
        id=f"red_flag:{RULE}",
        rule=RULE,
        message=f"未见单项危险信号，但整份病历与急危重症相近（最像：{names}）：当日内先排除，条件不足即转诊。",
        urgency="today",
        diseases=tuple(suspect.disease for suspect in suspects if suspect.disease is not None),
        evidence=tuple(evidence),
    )
