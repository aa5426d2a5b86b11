"""Names of measurements as conditions and findings use them, with the context that a derived name adds."""

from __future__ import annotations

CONTEXTUAL: dict[str, tuple[str, str]] = {
    "fasting_glucose": ("glucose", "fasting"),
    "postprandial_glucose": ("glucose", "postprandial_2h"),
}
NAMES: frozenset[str] = frozenset(
    ["temperature", "heart_rate", "respiratory_rate", "systolic_bp", "diastolic_bp", "spo2", "height", "weight", "bmi", "waist", "hip", "head_circumference", "glucose", "hba1c", "total_cholesterol", "triglycerides", "hdl_cholesterol", "ldl_cholesterol", "creatinine", "urate", "urea", "egfr", "cystatin_c", "acr", "total_bilirubin", "direct_bilirubin", "alt", "ast", "ggt", "alp", "ldh", "ck", "ck_mb", "amylase", "lipase", "cholinesterase", "albumin", "total_protein", "globulin", "potassium", "sodium", "chloride", "calcium", "magnesium", "phosphate", "haemoglobin", "wbc", "platelets", "neutrophil_count", "lymphocyte_count", "eosinophil_count", "rbc", "haematocrit", "mcv", "mch", "mchc", "neutrophil_percent", "lymphocyte_percent", "eosinophil_percent", "monocyte_percent", "reticulocyte_percent", "crp", "esr", "procalcitonin", "d_dimer", "fibrinogen", "inr", "pt", "aptt", "troponin", "bnp", "nt_probnp", "tsh", "ft4", "ft3", "psa", "afp", "cea", "ca125", "ca199", "hcg", "ferritin", "ammonia", "ph", "pao2", "paco2", "bicarbonate", "base_excess", "lactate", "fev1_percent", "fev1_fvc", "lvef", "gcs", "urine_output", "urine_ph", "urine_specific_gravity", "fetal_heart_rate", "fundal_height", "urine_protein", "urine_glucose", "urine_ketone", "urine_occult_blood", "urine_wbc"]
)
"""Measurement names of the house; their units and spellings stand in `content/measurements.yaml`."""
