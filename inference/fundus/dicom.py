"""DICOM in (8-bit ophthalmic photography, secondary capture) and DICOM out: a structured report and the heat map.

Only what grading needs is read; what identifies a patient is copied into the report, which belongs to the same study,
and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import Literal

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.pixels import convert_color_space
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from data_contracts.screen import ScreenResult
from inference.fundus.decode import MAX_BYTES, Picture, UnreadableImageError, check_size, decode, scale_to_bytes, to_rgb

ENHANCED_SR = UID("1.2.840.10008.5.1.4.1.1.88.22")
SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")
COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
SIDES: dict[str, Literal["left", "right"]] = {"L": "left", "R": "right"}


def _read(data: bytes) -> FileDataset:
    try:
        return dcmread(io.BytesIO(data))
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, EOFError, NotImplementedError):
        raise UnreadableImageError("unreadable") from None


def decode_dicom(data: bytes) -> Picture:
    """The picture in a DICOM file, one frame, with the eye that its header names.

    Raises:
        UnreadableImageError: no pixels, several frames, too large, or an encoding that cannot be read.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableImageError("too_large")
    header = _read(data)
    if "PixelData" not in header or "Rows" not in header or "Columns" not in header:
        raise UnreadableImageError("no_pixels")
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise UnreadableImageError("animated")
    size = (int(header.Columns), int(header.Rows))
    check_size(*size)
    side = SIDES.get(str(header.get("ImageLaterality") or header.get("Laterality") or "").strip().upper())
    if header.file_meta.get("TransferSyntaxUID") == JPEGBaseline8Bit:
        frames = list(generate_frames(header.PixelData, number_of_frames=1))
        inner = decode(frames[0])
        return Picture(inner.rgb, size, inner.colour, side)
    try:
        pixels = header.pixel_array
        if str(header.PhotometricInterpretation).startswith("YBR"):
            pixels = convert_color_space(pixels, str(header.PhotometricInterpretation), "RGB")
    except (ValueError, AttributeError, RuntimeError, NotImplementedError, KeyError, OSError):
        raise UnreadableImageError("unreadable") from None
    if pixels.dtype != np.uint8:
        pixels = scale_to_bytes(pixels)
    if str(header.PhotometricInterpretation) == "MONOCHROME1":
        pixels = 255 - pixels
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise UnreadableImageError("unreadable")
    return Picture(to_rgb(Image.fromarray(np.ascontiguousarray(pixels))), size, pixels.ndim == 3, side)


def structured_report(data: bytes, result: ScreenResult, *, when: dt.datetime | None = None) -> bytes:
    """An Enhanced SR with the result of one DICOM photograph, in the photograph's own study."""
    source = _read(data)
    report = _new(source, ENHANCED_SR, "SR", when)
    report.SeriesDescription = "Diabetic retinopathy screening (research)"
    report.CompletionFlag, report.VerificationFlag = "COMPLETE", "UNVERIFIED"
    report.PerformedProcedureCodeSequence = Sequence([])
    report.ReferencedPerformedProcedureStepSequence = Sequence([])
    report.CurrentRequestedProcedureEvidenceSequence = Sequence([_evidence(source)])
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.ConceptNameCodeSequence = Sequence([_code("dr-screening", "99XINGLIN", "Diabetic retinopathy screening report")])
    items = [_text("gradable", "Image gradable", "yes" if result.gradable else "no")]
    if result.reason:
        items.append(_text("reason", "Reason", result.reason))
    if result.laterality:
        items.append(_text("laterality", "Laterality", result.laterality))
    if result.grade is not None:
        items.append(_number("icdr-grade", "ICDR grade", float(result.grade)))
    if result.p_referable is not None:
        items.append(_number("p-referable", "Probability of referable retinopathy", result.p_referable))
    if result.p_sight_threatening is not None:
        items.append(_number("p-severe", "Probability of sight-threatening retinopathy", result.p_sight_threatening))
    if result.referable is not None:
        items.append(_text("referable", "Referable", "yes" if result.referable else "no"))
    if result.advice is not None:
        items.append(_text("advice", "Advice", result.advice.message))
    items.append(_text("disclaimer", "Disclaimer", result.disclaimer))
    reference = Dataset()
    reference.RelationshipType, reference.ValueType = "CONTAINS", "IMAGE"
    reference.ConceptNameCodeSequence = Sequence([_code("source-image", "99XINGLIN", "Photograph graded")])
    reference.ReferencedSOPSequence = Sequence([_reference(source)])
    report.ContentSequence = Sequence([*items, reference])
    return _written(report)


def heat_map_capture(data: bytes, png: bytes, *, when: dt.datetime | None = None) -> bytes:
    """The heat-map overlay as a secondary capture in the photograph's own study."""
    source = _read(data)
    capture = _new(source, SECONDARY_CAPTURE, "OT", when)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    capture.SeriesDescription = "Lesion heat map (research)"
    capture.ConversionType, capture.BurnedInAnnotation = "WSD", "NO"
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.SamplesPerPixel, capture.PhotometricInterpretation, capture.PlanarConfiguration = 3, "RGB", 0
    capture.Columns, capture.Rows = picture.size
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit, capture.PixelRepresentation = 7, 0
    capture.SourceImageSequence = Sequence([_reference(source)])
    pixels = picture.tobytes()
    capture.PixelData = pixels + b"\0" * (len(pixels) % 2)
    return _written(capture)


def _new(source: Dataset, sop_class: UID, modality: str, when: dt.datetime | None) -> FileDataset:
    moment = when or dt.datetime.now()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    out.SpecificCharacterSet = "ISO_IR 192"
    for name in COPIED:
        setattr(out, name, source.get(name, ""))
    if not out.StudyInstanceUID:
        out.StudyInstanceUID = generate_uid()
    out.SOPClassUID, out.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    out.SeriesInstanceUID, out.SeriesNumber, out.InstanceNumber, out.Modality = generate_uid(), 9001, 1, modality
    out.Manufacturer, out.ManufacturerModelName = "Xinglin", "fundus screening (research)"
    out.SoftwareVersions = "1"
    out.ContentDate, out.ContentTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    return out


def _written(dataset: FileDataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _reference(source: Dataset) -> Dataset:
    out = Dataset()
    out.ReferencedSOPClassUID, out.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return out


def _evidence(source: Dataset) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = source.get("SeriesInstanceUID") or generate_uid()
    series.ReferencedSOPSequence = Sequence([_reference(source)])
    study = Dataset()
    study.StudyInstanceUID = source.get("StudyInstanceUID") or generate_uid()
    study.ReferencedSeriesSequence = Sequence([series])
    return study


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    out = Dataset()
    out.CodeValue, out.CodingSchemeDesignator, out.CodeMeaning = value, scheme, meaning
    return out


def _text(code: str, meaning: str, value: str) -> Dataset:
    out = Dataset()
    out.RelationshipType, out.ValueType = "CONTAINS", "TEXT"
    out.ConceptNameCodeSequence = Sequence([_code(code, "99XINGLIN", meaning)])
    out.TextValue = value
    return out


def _number(code: str, meaning: str, value: float) -> Dataset:
    out = Dataset()
    out.RelationshipType, out.ValueType = "CONTAINS", "NUM"
    out.ConceptNameCodeSequence = Sequence([_code(code, "99XINGLIN", meaning)])
    measured = Dataset()
    measured.NumericValue = f"{value:.6g}"
    measured.MeasurementUnitsCodeSequence = Sequence([_code("1", "UCUM", "no units")])
    out.MeasuredValueSequence = Sequence([measured])
    return out
