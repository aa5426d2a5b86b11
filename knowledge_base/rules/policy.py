"""Policy editions: which edition of each instrument a place works by, and the primary-care targets that go with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """A set of editions in force together.

    Attributes:
        name: what a request's `edition` says.
        editions: instrument -> edition given to it.
        hidden: instruments that another edition of the set replaces.
        egfr_equation: CKD-EPI equation that eGFR is derived by.
        unconfirmed: whether the set rests on recalled facts.
    """

    name: str
    editions: dict[str, str]
    hidden: frozenset[str]
    egfr_equation: str
    unconfirmed: bool


POLICIES: dict[str, Policy] = {
    "2024": Policy(
        "2024",
        {"bp_target": "2024", "anaemia": "who2024", "htn_risk_strata": "CN-HTN 2018 (2024 table read alike)"},
        frozenset({"lung_screen_2021", "cha2ds2_vasc", "apcs", "apcs_modified", "ckd_epi_2009", "mets_idf2005", "mets_harmonised2009"}),
        "2021",
        True,
    ),
    "2018": Policy(
        "2018",
        {"bp_target": "2018", "anaemia": "cn_textbook", "htn_risk_strata": "CN-HTN 2018"},
        frozenset(
            {
                "lung_screen_2024",
                "crc_screen_2024",
                "cha2ds2_va",
                "cha2ds2_vasc_60",
                "apcs_modified",
                "ckd_epi_2021",
                "mets_idf2005",
                "mets_harmonised2009",
            }
        ),
        "2009",
        False,
    ),
}
DEFAULT = "2024"


def policy(name: str | None) -> Policy:
    """The policy a request names; its year decides (2017 to 2021 read as 2018, 2022 to 2026 as 2024).

    Raises:
        KeyError: no such policy.
    """
    if name is None:
        return POLICIES[DEFAULT]
    if name in POLICIES:
        return POLICIES[name]
    years = [int(part) for part in "".join(c if c.isdigit() else " " for c in name).split() if len(part) == 4]
    if not years or not 2017 <= max(years) <= 2026:
        raise KeyError(name)
    return POLICIES["2024" if max(years) >= 2022 else "2018"]
