"""DICOM in: the encodings that cameras write; DICOM out: a report and a heat map that read back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from data_contracts.screen import ScreenResult
from inference.fundus.advice import advise
from inference.fundus.decode import UnreadableImageError
from inference.fundus.dicom import decode_dicom, heat_map_capture, structured_report
from inference.fundus.screener import Screener
from training.datasets.fundus_synthetic import encoded, synthetic_fundus

IMAGE = synthetic_fundus(np.random.default_rng(1))[0]


def written(*, jpeg: bool = False, pixels: bool = True, frames: int = 1, grey: bool = False, side: str = "R") -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    out.SOPClassUID, out.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    out.StudyInstanceUID, out.SeriesInstanceUID = generate_uid(), generate_uid()
    out.PatientName, out.PatientID, out.Modality, out.ImageLaterality = "ZHANG^SAN", "123", "OP", side
    if pixels:
        image = IMAGE.convert("L") if grey else IMAGE
        out.Columns, out.Rows = image.size
        out.SamplesPerPixel = 1 if grey else 3
        out.PhotometricInterpretation = "MONOCHROME2" if grey else ("YBR_FULL_422" if jpeg else "RGB")
        if not grey:
            out.PlanarConfiguration = 0
        out.BitsAllocated = out.BitsStored = 8
        out.HighBit, out.PixelRepresentation = 7, 0
        if frames > 1:
            out.NumberOfFrames = frames
        out.PixelData = encapsulate([encoded(image, quality=95)]) if jpeg else image.tobytes() * frames
    stream = io.BytesIO()
    out.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("jpeg", [False, True])
def test_pixels_and_side(jpeg: bool) -> None:
    picture = decode_dicom(written(jpeg=jpeg))
    assert picture.laterality == "right" and picture.colour
    assert np.abs(np.asarray(picture.rgb, dtype=int) - np.asarray(IMAGE, dtype=int)).mean() < 6


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (written(pixels=False), "no_pixels"),
        (written(frames=3), "animated"),
        (written()[:400], "no_pixels"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 40, "no_pixels"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_dicom(data)
    assert caught.value.reason in (reason, "unreadable")


def test_truncated_pixels_are_refused() -> None:
    with pytest.raises(UnreadableImageError):
        decode_dicom(written()[:-50_000])


def test_grey_is_known_to_be_grey() -> None:
    assert not decode_dicom(written(grey=True)).colour


def result() -> ScreenResult:
    return ScreenResult(
        id="x", gradable=True, reason=None, grade=2, probabilities=(0.1, 0.1, 0.6, 0.1, 0.1), p_referable=0.8, referable=True,
        p_sight_threatening=0.2, laterality="right", advice=advise(2, True),
    )  # fmt: skip


def test_report_reads_back() -> None:
    source = written()
    report = dcmread(io.BytesIO(structured_report(source, result())))
    original = dcmread(io.BytesIO(source))
    assert report.Modality == "SR" and report.StudyInstanceUID == original.StudyInstanceUID
    said = {i.ConceptNameCodeSequence[0].CodeValue: i for i in report.ContentSequence}
    assert float(said["icdr-grade"].MeasuredValueSequence[0].NumericValue) == 2
    assert "转眼科" in said["advice"].TextValue
    assert said["source-image"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID


def test_heat_map_reads_back() -> None:
    overlay = Image.new("RGB", (65, 33), (200, 10, 0))
    capture = dcmread(io.BytesIO(heat_map_capture(written(), encoded(overlay, "PNG"))))
    assert capture.pixel_array.shape == (33, 65, 3) and capture.pixel_array[0, 0].tolist() == [200, 10, 0]


def test_screener_takes_dicom(screener: Screener) -> None:
    answer = screener.screen([("x.dcm", written(jpeg=True))])[0]
    assert isinstance(answer, ScreenResult) and answer.laterality == "right"
