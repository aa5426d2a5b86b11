"""Span corpora in one form, with what each of them labels.

A document carries spans in its corpus's own types. ``CORPORA`` says which *product* channels a corpus may teach, as
positives and as negatives; whatever a corpus does not label stays out of the loss. The tables follow the corpora's
README.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inference.reading.windows import best_cut

PRODUCT_TYPES = (
    "symptom", "sign", "disease", "body_part", "drug", "procedure", "lab_test", "imaging", "microorganism", "device",
    "department",
)  # fmt: skip
"""Served channels. ``symptom`` covers symptoms *and* signs (CCKS2017 does not part them); ``sign`` marks the latter."""

ASSERTIONS = ("present", "absent", "possible", "family", "historical", "conditional", "other_person")
DIALOGUE_STATUSES = ("true", "false", "uncertain")

SWAP = str.maketrans("上下左右双两", "下上右左两双")
"""Undoes the exchange of characters in the released CCKS2019 texts (and is its own inverse)."""

_CHAT_DISEASE = re.compile(r"感冒|炎$|病$|感染|急疹|手足口|综合征|湿疹|过敏$")


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A labelled stretch of code points; ``status`` only where the corpus has one."""

    start: int
    end: int
    type: str
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One text of one corpus."""

    id: str
    corpus: str
    text: str
    spans: tuple[LabelledSpan, ...]
    masked: tuple[tuple[int, int], ...] = ()
    """Spans that the product channels neither learn as positive nor as negative."""


@dataclass(frozen=True, slots=True)
class CorpusSpecification:
    """What a corpus labels and which product channels it teaches."""

    types: tuple[str, ...]
    product: Mapping[str, str] = field(default_factory=dict)
    """Corpus type to product type. A product type named here is trained with positives and negatives."""
    flat: bool = True
    """No two spans of the corpus overlap."""


_SIX = ("疾病和诊断", "影像检查", "实验室检验", "手术", "药物", "解剖部位")

CORPORA: dict[str, CorpusSpecification] = {
    "ccks2017": CorpusSpecification(
        ("症状和体征", "检查和检验", "身体部位", "治疗", "疾病和诊断"), {"症状和体征": "symptom", "疾病和诊断": "disease"}
    ),
    "ccks2018": CorpusSpecification(("独立症状", "症状描述", "解剖部位", "手术", "药物"), {"药物": "drug"}),
    "ccks2019": CorpusSpecification(
        _SIX,
        dict(zip(_SIX, ("disease", "imaging", "lab_test", "procedure", "drug", "body_part"), strict=True)),
    ),
    "cmeee": CorpusSpecification(
        ("dis", "sym", "bod", "pro", "dru", "ite", "mic", "equ", "dep"),
        {"dis": "disease", "dru": "drug", "mic": "microorganism", "equ": "device", "dep": "department"},
        flat=False,
    ),
    "cmdd": CorpusSpecification(("symptom",), {"symptom": "symptom"}),
    "cmedqaner": CorpusSpecification(
        ("disease", "body", "symptom", "treatment", "crowd", "drug", "test", "physiology", "feature", "time", "department"),
        {"disease": "disease", "drug": "drug", "department": "department"},
        flat=False,
    ),
    "imcs_utt": CorpusSpecification(("症状和体征", "药物", "检验和检查", "治疗和手术"), {"症状和体征": "symptom"}),
    "sentences": CorpusSpecification(PRODUCT_TYPES, {product: product for product in ("symptom", "sign", "disease")}, flat=False),
}
"""CCKS2020's own part goes by ``ccks2019``: same guideline, same six types. The annotated sentences name procedures and
medicines only now and then, so they teach symptoms, signs and diseases alone."""

CHANNELS: tuple[str, ...] = tuple(f"product:{product}" for product in PRODUCT_TYPES) + tuple(
    f"{corpus}:{kind}" for corpus, specification in CORPORA.items() if corpus != "sentences" for kind in specification.types
)
CHANNEL_INDEX = {channel: index for index, channel in enumerate(CHANNELS)}


def active_channels(corpus: str) -> list[str]:
    """Channels that a corpus takes part in: its own, then the product channels that it teaches."""
    specification = CORPORA[corpus]
    own = [] if corpus == "sentences" else [f"{corpus}:{kind}" for kind in specification.types]
    taught = sorted(set(specification.product.values()), key=PRODUCT_TYPES.index)
    return own + [f"product:{product}" for product in taught]


def _read(path: Path) -> Iterable[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _document(row: Mapping[str, object], corpus: str, name: str) -> Document:
    text = str(row["text"])
    if name == "ccks2019":
        text = text.translate(SWAP)
    spans: list[LabelledSpan] = []
    masked: list[tuple[int, int]] = []
    for entity in row["entities"]:  # type: ignore[attr-defined]
        span = LabelledSpan(int(entity["start"]), int(entity["end"]), str(entity["type"]), entity.get("status"))
        spans.append(span)
        if corpus in {"cmdd", "imcs_utt"} and span.type in {"symptom", "症状和体征"}:
            written = text[span.start : span.end]
            named = str(entity.get("norm") or written)
            if _CHAT_DISEASE.search(named) or _CHAT_DISEASE.search(written) or written[0].isdigit():
                masked.append((span.start, span.end))
    return Document(str(row["id"]), corpus, text, tuple(spans), tuple(masked))


def load_corpus(root: Path, name: str, split: str) -> list[Document]:
    """Read ``root/name/split.jsonl.gz``; CCKS2019 comes back in natural wording (offsets do not move)."""
    corpus = "ccks2019" if name == "ccks2020_new" else name
    return [_document(row, corpus, name) for row in _read(root / name / f"{split}.jsonl.gz")]


def load_sentences(folder: Path) -> list[Document]:
    """Annotated sentences of the knowledge base; ``sign`` spans count as ``symptom`` too (see ``PRODUCT_TYPES``)."""
    documents: list[Document] = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                spans: list[LabelledSpan] = []
                for entity in row["entities"]:
                    kinds = ("symptom", "sign") if entity["type"] == "sign" else (entity["type"],)
                    status = entity.get("assertion")
                    spans += [LabelledSpan(entity["start"], entity["end"], kind, status) for kind in kinds]
                documents.append(Document(row["id"], "sentences", row["text"], tuple(spans)))
    return documents


def swapped(document: Document) -> Document:
    """The same document in the exchanged wording of the CCKS2019 release."""
    return Document(document.id, document.corpus, document.text.translate(SWAP), document.spans, document.masked)


def cut_document(document: Document, size: int, rng: random.Random | None) -> list[Document]:
    """Cut a document into pieces of at most ``size`` code points, at random sentence ends when ``rng`` is given.

    A span that a cut goes through is dropped from both pieces.
    """
    text = document.text
    if len(text) <= size:
        return [document]
    starts = [0]
    if rng is not None:
        first = rng.randrange(size // 4, size)
        starts.append(best_cut(text, max(first - size // 3, 0), first))
    while len(text) - starts[-1] > size:
        low = starts[-1] + (size // 2 if rng is None else rng.randrange(size // 2, size * 4 // 5))
        starts.append(best_cut(text, low, starts[-1] + size))
    pieces: list[Document] = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if end <= start:
            continue
        pieces.append(
            Document(
                f"{document.id}@{start}",
                document.corpus,
                text[start:end],
                tuple(
                    LabelledSpan(span.start - start, span.end - start, span.type, span.status)
                    for span in document.spans
                    if start <= span.start and span.end <= end
                ),
                tuple((low - start, high - start) for low, high in document.masked if start <= low and high <= end),
            )
        )
    return pieces


def join_short(documents: list[Document], size: int) -> list[Document]:
    """Join neighbouring short utterances with a line break, so that a batch is not all padding."""
    joined: list[Document] = []
    for document in documents:
        last = joined[-1] if joined else None
        if last is None or len(last.text) + 1 + len(document.text) > size:
            joined.append(document)
            continue
        shift = len(last.text) + 1
        moved = tuple(LabelledSpan(s.start + shift, s.end + shift, s.type, s.status) for s in document.spans)
        masked = tuple((low + shift, high + shift) for low, high in document.masked)
        joined[-1] = Document(last.id, last.corpus, f"{last.text}\n{document.text}", last.spans + moved, last.masked + masked)
    return joined
