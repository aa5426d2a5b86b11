"""Screen: fundus photographs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from data_contracts.base import Contract, InputContract


class ScreenRequest(InputContract):
    """A photograph as base64 (JPEG, PNG or DICOM)."""

    id: str = Field(min_length=1, max_length=200)
    image: str = Field(min_length=1, max_length=40_000_000)
    heat_map: bool = False


class ScreenAdvice(Contract):
    """What follows from the result, by guideline edition."""

    referral: Any
    rescreen_months: float | None
    message: str


class ScreenResult(Contract):
    """The answer of `screen` for one photograph."""

    id: str
    gradable: bool
    reason: str | None
    grade: int | None
    probabilities: tuple[float, ...] | None
    p_referable: float | None
    referable: bool | None
    p_sight_threatening: float | None
    laterality: str | None
    lesions: tuple[dict[str, Any], ...] = ()
    heat_map: str | None = None
    advice: ScreenAdvice | None
    disclaimer: str = "研究用模型，未取得医疗器械注册证；结果须由医生复核。"


class PatientScreen(Contract):
    """The answer for one patient from both eyes: the worse eye decides, a missing eye is said."""

    id: str
    eyes: tuple[ScreenResult, ...]
    worse_eye: str | None
    missing_eye: str | None
    gradable: bool
    grade: int | None
    referable: bool | None
    advice: ScreenAdvice | None
