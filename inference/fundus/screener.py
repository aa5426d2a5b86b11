"""Screening: photographs in, results out. A batch is a row of single photographs and gives the same bits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from data_contracts.problems import Problem, problem
from data_contracts.screen import PatientScreen, ScreenResult
from inference.fundus.advice import advise, advise_ungradable
from inference.fundus.decode import Picture, UnreadableImageError, decode, is_dicom
from inference.fundus.dicom import decode_dicom
from inference.fundus.keeping import keep_image
from inference.fundus.laterality import eye_from_disc
from inference.fundus.lesions import candidates, overlay_png
from inference.fundus.model import FundusModel, Grading
from inference.fundus.patients import patient_result
from inference.fundus.quality import Measures, measure
from inference.fundus.retina import Retina, crop, disc, even_out, find_retina
from knowledge_base.rules.retinopathy_follow_up import Edition
from models.bundle import Bundle

#: What `collect_inputs` takes from a folder; files of other kinds are passed over.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".dcm", ".dicom")
_SIDE = re.compile(r"(?:^|[_\-. ])(left|right|os|od)(?=$|[_\-. ])", re.IGNORECASE)
_SIDES: dict[str, Literal["left", "right"]] = {"left": "left", "os": "left", "right": "right", "od": "right"}


@dataclass(frozen=True)
class Reading:
    """Everything that was found out about one photograph."""

    picture: Picture
    retina: Retina
    measures: Measures
    grading: Grading
    band: np.ndarray
    valid: np.ndarray


class Screener:
    """Grades photographs with one sealed bundle."""

    def __init__(self, bundle: Bundle, *, edition: Edition = "CN", keep: Path | None = None) -> None:
        """Bind a bundle.

        Args:
            bundle: the opened fundus bundle.
            edition: guideline edition of the advice.
            keep: folder for graded photographs without identifying tags; None (the default) stores nothing.
        """
        self.bundle = bundle
        self.model = FundusModel(bundle)
        self.edition: Edition = edition
        self.keep = keep

    def screen(self, images: Sequence[tuple[str, bytes]]) -> list[ScreenResult | Problem]:
        """One result or problem for each (id, bytes), in order."""
        return [self.screen_one(name, data) for name, data in images]

    def screen_one(self, name: str, data: bytes, *, heat_map: bool = False) -> ScreenResult | Problem:
        """The result of one photograph; with `heat_map` its overlay as base64 PNG."""
        import base64

        try:
            reading = self.read(data)
        except UnreadableImageError as error:
            return problem("not-an-image", str(error), "/image")
        if self.keep is not None:
            keep_image(self.keep, reading.picture)
        result = self._result(name, reading)
        if heat_map and result.gradable:
            result = result.model_copy(update={"heat_map": base64.b64encode(self._overlay(reading)).decode("ascii")})
        return result

    def heat_map_png(self, data: bytes) -> bytes:
        """The heat map laid over the photograph, PNG bytes.

        Raises:
            UnreadableImageError: where the bytes are no picture.
        """
        return self._overlay(self.read(data))

    def screen_patients(
        self, patients: Sequence[tuple[str, Sequence[tuple[str, bytes, Literal["left", "right"] | None]]]]
    ) -> list[PatientScreen]:
        """One result a patient from (patient id, [(image id, bytes, eye or None)])."""
        out = []
        for patient, photographs in patients:
            results: list[ScreenResult | Problem] = []
            for name, data, eye in photographs:
                result = self.screen_one(name, data)
                if isinstance(result, ScreenResult) and eye is not None:
                    result = result.model_copy(update={"laterality": eye})
                results.append(result)
            out.append(patient_result(patient, [name for name, _, _ in photographs], results, edition=self.edition))
        return out

    def read(self, data: bytes) -> Reading:
        """Decode, find the retina, bring it to the normal form, measure, run the network."""
        picture = decode_dicom(data) if is_dicom(data) else decode(data)
        settings = self.model.preprocessing
        retina = find_retina(picture.rgb)
        band_image, shown = crop(picture.rgb, retina, settings.diameter, settings.height)
        band = np.asarray(band_image)
        valid = shown & disc(settings.diameter, settings.height, settings.rim)
        evened = even_out(band, valid, settings)
        measures = measure(band, valid, evened, retina)
        return Reading(picture, retina, measures, self.model.grade(evened, measures), band, valid)

    def _overlay(self, reading: Reading) -> bytes:
        return overlay_png(reading.picture.rgb, reading.grading.lesion_maps, reading.retina, self.model.preprocessing)

    def _result(self, name: str, reading: Reading) -> ScreenResult:
        side = reading.picture.laterality or side_from_name(name)
        stranger = self._not_fundus(reading)
        if stranger is not None:
            return _ungradable(name, stranger, side, photograph=False, edition=self.edition)
        side = side or eye_from_disc(reading.band, reading.valid)
        poor = self._poor(reading)
        if poor is not None:
            return _ungradable(name, poor, side, photograph=True, edition=self.edition)
        grading, picture = reading.grading, reading.picture
        grade = self.model.most_likely_grade(grading.at_least)
        p_referable = grading.at_least[1]
        referable = p_referable >= self.model.referable_threshold
        return ScreenResult(
            id=name,
            gradable=True,
            reason=None,
            grade=grade,
            probabilities=tuple(round(p, 6) for p in grading.probabilities),
            p_referable=round(p_referable, 6),
            referable=referable,
            p_sight_threatening=round(grading.at_least[2], 6),
            laterality=side,
            lesions=candidates(grading.lesion_maps, reading.retina, picture.rgb.size, self.model.preprocessing),
            heat_map=None,
            advice=advise(grade, referable, edition=self.edition),
        )

    def _not_fundus(self, reading: Reading) -> str | None:
        measures, grading = reading.measures, reading.grading
        if measures.contrast * 255 < 6 and measures.brightness < 0.04:
            return "画面几乎全黑，没有看到视网膜。"
        if not reading.picture.colour or measures.chroma < 0.02:
            return "这是灰度图片，不是彩色眼底照片。"
        if grading.p_fundus < self.model.fundus_head.threshold or grading.distance > self.model.distance_limit:
            return "这张图片不像眼底照片。"
        return None

    def _poor(self, reading: Reading) -> str | None:
        """Why the photograph cannot be graded and how to retake it, or None."""
        measures = reading.measures
        if measures.fill < 0.6:
            return "视网膜只拍到一小部分。请让患者注视指示灯，对准瞳孔中央重拍。"
        if reading.grading.p_reject < self.model.quality_head.threshold:
            return None
        if measures.brightness < 0.12 or measures.dark > 0.4:
            return "照片过暗。请在暗室等瞳孔放大几分钟，或调高闪光后重拍。"
        if measures.bright > 0.1 or measures.brightness > 0.75:
            return "照片过曝。请调低闪光、避开睫毛和角膜反光后重拍。"
        if measures.uneven > 0.45:
            return "光照不均，部分视网膜被阴影或反光遮挡。请对准瞳孔中央、撑开眼睑后重拍。"
        return "照片模糊，看不清血管和微小病变。请擦净镜头、重新对焦，让患者眨眼后重拍；仍模糊时可能有白内障，需散瞳。"


def _ungradable(name: str, reason: str, side: Literal["left", "right"] | None, *, photograph: bool, edition: Edition) -> ScreenResult:
    return ScreenResult(
        id=name,
        gradable=False,
        reason=reason,
        grade=None,
        probabilities=None,
        p_referable=None,
        referable=None,
        p_sight_threatening=None,
        laterality=side,
        advice=advise_ungradable(reason, photograph=photograph, edition=edition),
    )


def side_from_name(name: str) -> Literal["left", "right"] | None:
    """The eye that a file name states: left, right, OS, OD as a part of its own; None where both occur."""
    stem = Path(name).name.rsplit(".", 1)[0]
    sides = {_SIDES[m.lower()] for m in _SIDE.findall(stem)}
    return sides.pop() if len(sides) == 1 else None


def collect_inputs(path: Path) -> Iterator[tuple[str, bytes]]:
    """Ids and bytes of one file, or of a folder's photographs in name order.

    The id is the path relative to the folder. Files without extension are taken where they carry the DICOM preamble.
    """
    if path.is_file():
        yield path.name, path.read_bytes()
        return
    for file in photograph_paths(path):
        yield file.relative_to(path).as_posix(), file.read_bytes()


def photograph_paths(folder: Path) -> list[Path]:
    """The photographs under a folder, sorted by relative path; hidden files are passed over."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return [p for p in files if p.suffix.lower() in EXTENSIONS or (not p.suffix and _has_preamble(p))]


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_dicom(stream.read(132))
