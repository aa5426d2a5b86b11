"""One result a patient: the worse eye decides, a missing or ungradable eye is said."""

from __future__ import annotations

from collections.abc import Sequence

from data_contracts.problems import Problem
from data_contracts.screen import PatientScreen, ScreenAdvice, ScreenResult
from inference.fundus.advice import advise_ungradable
from knowledge_base.rules.retinopathy_follow_up import Edition

EYES = {"left": "左眼", "right": "右眼"}


def patient_result(
    patient: str, names: Sequence[str], results: Sequence[ScreenResult | Problem], *, edition: Edition = "CN"
) -> PatientScreen:
    """Join the photographs of one patient.

    A file that could not be read counts as an ungradable photograph of an unknown eye. Among several photographs of one
    eye the gradable ones decide; among them the worst.
    """
    eyes = [r if isinstance(r, ScreenResult) else _unread(n, r, edition) for n, r in zip(names, results, strict=True)]
    gradable = [e for e in eyes if e.gradable]
    sides = {e.laterality for e in gradable}
    missing = next((side for side in EYES if side not in sides), None) if len(sides) == 1 and None not in sides else None
    if not gradable:
        first = eyes[0] if eyes else None
        advice = first.advice if first else advise_ungradable("没有这位患者的照片。", photograph=False, edition=edition)
        return PatientScreen(
            id=patient, eyes=tuple(eyes), worse_eye=None, missing_eye=missing, gradable=False, grade=None, referable=None, advice=advice
        )
    worse = max(gradable, key=lambda e: (e.referable or False, e.grade or 0, e.p_referable or 0.0))
    return PatientScreen(
        id=patient,
        eyes=tuple(eyes),
        worse_eye=worse.laterality,
        missing_eye=missing,
        gradable=True,
        grade=max(e.grade or 0 for e in gradable),
        referable=worse.referable,
        advice=_advice(worse, missing, seen=len(gradable)),
    )


def _advice(worse: ScreenResult, missing: str | None, *, seen: int) -> ScreenAdvice | None:
    """The worse eye's advice; a healthy eye does not clear an eye that nobody could see."""
    advice = worse.advice
    if advice is None or (missing is None and seen > 1):
        return advice
    text = f"{EYES.get(missing or '', '另一只眼')}没有可判读的照片，请补拍；补拍仍不可判读时转眼科。{advice.message}"
    referral = advice.referral
    if referral is None:
        referral = {"needed": False, "to": "眼科", "urgency": "routine", "within_months": None, "why": "eye_not_seen"}
    return ScreenAdvice(referral=referral, rescreen_months=None, message=text)


def _unread(name: str, trouble: Problem, edition: Edition) -> ScreenResult:
    return ScreenResult(
        id=name,
        gradable=False,
        reason=trouble.detail,
        grade=None,
        probabilities=None,
        p_referable=None,
        referable=None,
        p_sight_threatening=None,
        laterality=None,
        advice=advise_ungradable(trouble.detail, photograph=True, edition=edition),
    )
