"""Tables for the learned risk scores (`corpora/risk`): research and development only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
TIANCHI = Path("risk/tianchi_glucose/tianchi_glucose_dev.csv.gz")
FRAMINGHAM = Path("risk/framingham_chd/framingham_dev.csv.gz")
FPG_LIMIT = 7.0


@dataclass(frozen=True, slots=True)
class Feature:
    """A panel column of the score.

    Attributes:
        name: of the feature; `column` in the corpus, `measurement` in a record, `input` among instrument inputs.
        units: accepted units, the first canonical.
        log: whether the model sees its logarithm (heavy right tail).
        direction: what medicine says about rising values: +1 risk up, -1 down, 0 nothing.
        block: blood count, biochemistry or person: blocks are missing together, by the package bought.
    """

    name: str
    column: str
    measurement: str | None
    input: str | None
    units: tuple[str, ...]
    log: bool = False
    direction: int = 0
    block: str = "count"


FEATURES: tuple[Feature, ...] = (
    Feature("age", "age_y", None, "age_y", ("year",), direction=1, block="person"),
    Feature("male", "sex", None, None, ("1",), block="person"),
    Feature("alt", "alt_u_l", "alt", None, ("U/L", "IU/L"), log=True, block="biochemistry"),
    Feature("ast", "ast_u_l", "ast", None, ("U/L", "IU/L"), log=True, block="biochemistry"),
    Feature("alp", "alp_u_l", "alp", None, ("U/L", "IU/L"), log=True, block="biochemistry"),
    Feature("ggt", "ggt_u_l", "ggt", None, ("U/L", "IU/L"), log=True, direction=1, block="biochemistry"),
    Feature("total_protein", "tp_g_l", "total_protein", None, ("g/L",), block="biochemistry"),
    Feature("albumin", "alb_g_l", "albumin", "alb", ("g/L",), block="biochemistry"),
    Feature("triglycerides", "tg_mmol_l", "triglycerides", "tg", ("mmol/L",), log=True, direction=1, block="biochemistry"),
    Feature("total_cholesterol", "tc_mmol_l", "total_cholesterol", "tc", ("mmol/L",), block="biochemistry"),
    Feature("hdl_cholesterol", "hdlc_mmol_l", "hdl_cholesterol", "hdl", ("mmol/L",), direction=-1, block="biochemistry"),
    Feature("ldl_cholesterol", "ldlc_mmol_l", "ldl_cholesterol", "ldl", ("mmol/L",), block="biochemistry"),
    Feature("urea", "urea_mmol_l", "urea", "urea", ("mmol/L",), block="kidney"),
    Feature("creatinine", "crea_umol_l", "creatinine", "crea", ("umol/L", "μmol/L", "µmol/L"), log=True, block="kidney"),
    Feature("urate", "ua_umol_l", "urate", "ua", ("umol/L", "μmol/L", "µmol/L"), block="kidney"),
    Feature("wbc", "wbc_1e9_l", "wbc", "wbc", ("10^9/L", "1e9/L", "10⁹/L"), log=True),
    Feature("rbc", "rbc_1e12_l", "rbc", None, ("10^12/L", "1e12/L", "10¹²/L")),
    Feature("haemoglobin", "hb_g_l", "haemoglobin", "hb", ("g/L",)),
    Feature("mcv", "mcv_fl", "mcv", None, ("fL",)),
    Feature("mchc", "mchc_g_l", "mchc", None, ("g/L",)),
    Feature("platelets", "plt_1e9_l", "platelets", "plt", ("10^9/L", "1e9/L", "10⁹/L")),
    Feature("neutrophil_percent", "neut_pct", "neutrophil_percent", None, ("%",)),
    Feature("lymphocyte_percent", "lymph_pct", "lymphocyte_percent", None, ("%",)),
    Feature("monocyte_percent", "mono_pct", "monocyte_percent", None, ("%",)),
    Feature("eosinophil_percent", "eos_pct", "eosinophil_percent", None, ("%",)),
)
"""No id and no date (they leak the hospital's order of people), no hepatitis markers (77 % unknown, assay unstated), no
analyser-bound sizes (RDW, MPV, PDW, plateletcrit)."""


@dataclass(frozen=True)
class Panel:
    """Rows of a panel: raw values (rows x features, NaN unknown), labels, duplicate groups, and days for the drift test."""

    raw: Floats
    label: npt.NDArray[np.int64]
    glucose: Floats
    group: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    features: tuple[Feature, ...]
    source_hash: str


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def load_tianchi(corpora: Path) -> Panel:
    """The Tianchi check-ups; the label is glucose >= 7.0 mmol/L as recorded. Rows without sex are left out."""
    path = corpora / TIANCHI
    frame = pd.read_csv(path)
    frame = frame[frame["sex"].isin(["M", "F"])].reset_index(drop=True)
    columns = []
    for feature in FEATURES:
        values = (frame["sex"] == "M").astype(float) if feature.name == "male" else frame[feature.column].astype(float)
        columns.append(values.to_numpy())
    raw: Floats = np.stack(columns, axis=1).astype(np.float64)
    keys = pd.DataFrame(np.nan_to_num(raw, nan=-1.0)).apply(tuple, axis=1)
    group = pd.factorize(keys)[0].astype(np.int64)
    glucose = frame["glucose_mmol_l"].to_numpy(dtype=np.float64)
    day = pd.to_datetime(frame["exam_date"]).astype("int64").to_numpy() // 86_400_000_000_000
    return Panel(raw, (glucose >= FPG_LIMIT).astype(np.int64), glucose, group, day.astype(np.int64), FEATURES, _hash(path))


FRAMINGHAM_FEATURES: tuple[str, ...] = (
    "male",
    "age",
    "currentSmoker",
    "cigsPerDay",
    "BPMeds",
    "prevalentStroke",
    "prevalentHyp",
    "diabetes",
    "totChol",
    "sysBP",
    "diaBP",
    "BMI",
    "heartRate",
    "glucose",
)


def load_framingham(corpora: Path) -> tuple[Floats, npt.NDArray[np.int64], str]:
    """The Framingham extract: rows x FRAMINGHAM_FEATURES (NaN unknown), 10-year CHD, hash of the file."""
    path = corpora / FRAMINGHAM
    frame = pd.read_csv(path)
    return frame[list(FRAMINGHAM_FEATURES)].to_numpy(dtype=np.float64), frame["TenYearCHD"].to_numpy(dtype=np.int64), _hash(path)
