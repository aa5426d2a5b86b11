"""The trained reader: text to typed spans with assertion probabilities, on ONNX Runtime.

The bundle's graph takes the tokens of one window and one threshold a channel, and answers only the spans above it; what
is left here is windows, types and overlaps. The graph runs one window a call (dynamic int8 scales span a batch), padded to
a multiple of ``BUCKET`` so that few shapes occur and memory does not grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.reading.tokens import CharacterTokeniser
from inference.reading.windows import cut_windows, is_core

if TYPE_CHECKING:
    import onnxruntime as ort

    from models.bundle import Bundle

ASSERTIONS = ("present", "absent", "possible", "family", "historical", "conditional", "other_person")
BUCKET = 32
"""Token lengths are padded to a multiple of this."""
LEEWAY = 3.0
"""How far below its threshold (in logits) a span is still told of."""


@dataclass(frozen=True, slots=True)
class SpanPrediction:
    """A span of the text in code points, end exclusive.

    ``assertion_probabilities`` goes by ``ASSERTIONS`` and sums to 1.
    """

    start: int
    end: int
    type: str
    score: float
    assertion_probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SpanAnswer:
    """What the model says of one text.

    ``served`` are the spans above their threshold. ``near`` are the places and types of those that miss it by at most
    ``LEEWAY``, with what they miss: a name of the knowledge base that stands there may speak for them.
    """

    served: list[SpanPrediction]
    near: Mapping[tuple[int, int, str], float]


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A span as the graph gives it: channel index, logit, assertion logits."""

    start: int
    end: int
    channel: int
    logit: float
    assertion: NDArray[np.float32]


def keep_flat(spans: Sequence[RawSpan], group: Sequence[int]) -> list[RawSpan]:
    """Of overlapping spans whose channels share a group, keep the one with the higher logit (greedily).

    Args:
        spans: of one text.
        group: group of each channel; channels of different groups may nest, and so may those of a negative group.
    """
    kept: list[RawSpan] = []
    for span in sorted(spans, key=lambda item: (-item.logit, item.start, item.end, item.channel)):
        mine = group[span.channel]
        if mine < 0 or all(span.end <= other.start or other.end <= span.start for other in kept if group[other.channel] == mine):
            kept.append(span)
    return sorted(kept, key=lambda item: (item.start, item.end, item.channel))


class WindowedReader:
    """Runs the graph over the windows of a text."""

    def __init__(self, session: ort.InferenceSession, tokeniser: CharacterTokeniser, window: int, overlap: int) -> None:
        self._session = session
        self._tokeniser = tokeniser
        self._window = window
        self._overlap = overlap

    def run(self, text: str, thresholds: NDArray[np.float32]) -> list[RawSpan]:
        """All spans above their channel's threshold; where windows overlap, one window speaks for each span."""
        found: list[RawSpan] = []
        windows = cut_windows(text, self._window, self._overlap)
        for place, window in enumerate(windows):
            if window.end == window.start:
                continue
            tokens = self._tokeniser.encode(text[window.start : window.end])
            ids = np.full((1, -(-len(tokens) // BUCKET) * BUCKET), self._tokeniser.pad, dtype=np.int64)
            ids[0, : len(tokens)] = tokens
            feed = {"ids": ids, "length": np.array([len(tokens)], dtype=np.int64), "thresholds": thresholds}
            spans, logits, assertions = self._session.run(["spans", "logits", "assertions"], feed)
            for (channel, start, last), logit, assertion in zip(spans.tolist(), logits.tolist(), assertions, strict=True):
                low, high = window.start + start, window.start + last + 1
                if len(windows) == 1 or is_core(windows, place, low, high, len(text)):
                    found.append(RawSpan(low, high, channel, logit, assertion))
        return found


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of one row of logits."""
    shifted = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(shifted / shifted.sum())


class SpanReader:
    """The released reader."""

    def __init__(self, bundle: Bundle) -> None:
        """Bind the bundle: its manifest holds ``labels``, ``thresholds``, ``window``, ``overlap`` and ``flat_groups``."""
        manifest = bundle.manifest
        self.version: str = bundle.version
        self.labels: tuple[str, ...] = tuple(manifest["labels"])
        self._thresholds = np.array([manifest["thresholds"][label] for label in self.labels], dtype=np.float32)
        self._groups = [int(manifest["flat_groups"][label]) for label in self.labels]
        self._reader = WindowedReader(
            bundle.session("model.onnx"),
            CharacterTokeniser.from_file(bundle.file("tokenizer.json")),
            int(manifest["window"]),
            int(manifest["overlap"]),
        )

    def predict(self, texts: Sequence[str]) -> list[list[SpanPrediction]]:
        """Spans of each text, by place. A text's answer does not depend on the others."""
        return [answer.served for answer in self.read(texts)]

    def read(self, texts: Sequence[str]) -> list[SpanAnswer]:
        """Spans of each text, and those that nearly are, from one pass."""
        return [self._read_one(text) for text in texts]

    def _read_one(self, text: str) -> SpanAnswer:
        found = self._reader.run(text, self._thresholds - np.float32(LEEWAY))
        missed = [(span, float(self._thresholds[span.channel]) - span.logit) for span in found]
        near = {(span.start, span.end, self.labels[span.channel]): below for span, below in missed if below >= 0.0}
        spans = keep_flat([span for span, below in missed if below < 0.0], self._groups)
        signs = {(span.start, span.end) for span in spans if self.labels[span.channel] == "sign"}
        predictions: list[SpanPrediction] = []
        for span in spans:
            kind = self.labels[span.channel]
            if kind == "symptom" and (span.start, span.end) in signs:
                continue
            probabilities = softmax(span.assertion)
            predictions.append(
                SpanPrediction(
                    span.start,
                    span.end,
                    kind,
                    1.0 / (1.0 + float(np.exp(-span.logit))),
                    dict(zip(ASSERTIONS, probabilities.tolist(), strict=True)),
                )
            )
        return SpanAnswer(predictions, near)
