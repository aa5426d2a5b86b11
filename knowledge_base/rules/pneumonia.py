"""What CURB-65 and CRB-65 share."""

from __future__ import annotations

from knowledge_base.rules.instrument import Inputs, Ints, flag, points

CONFUSION = flag("confusion", "新发意识模糊")


def crb65_points(x: Inputs) -> Ints:
    """Confusion, respiratory rate 30 or more, SBP below 90 or DBP at most 60, age 65 or more."""
    return points((1, x.yes("confusion")), (1, x.n("rr") >= 30), (1, (x.n("sbp") < 90) | (x.n("dbp") <= 60)), (1, x.n("age_y") >= 65))
