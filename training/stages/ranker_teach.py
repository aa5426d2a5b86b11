"""Stage `ranker_teach`: the taught part, a small network over the exported encoder's vectors and the findings, into the unfitted bundle.

    python -m training.stages.ranker_teach

The encoder stays as exported. Training texts (records, presentations, synthesised cases, views of the entries) are encoded once and
kept by the encoder's hash; the network then takes about a minute of one core. Judged alone on the held-out authored records.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from inference.ranking import taught
from inference.ranking.encoder import Matrix, TextEncoder
from inference.ranking.taught import TAUGHT
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import GOLDEN, Bundle, seal
from training.datasets.entry_texts import EntryText, entry_texts, second_looks
from training.networks.taught import TaughtModule
from training.parameters import Parameters, load_block
from training.stages.ranker_corpora import OUT as QUERIES
from training.stages.ranker_export import BUNDLE
from training.stages.ranker_train import FOLDER
from training.tracking import run_of

OUT = FOLDER / "taught"
CACHE = Path("build/training/vectors")
RESEALED = ("task", "version", "format_version", "created", "files", "golden_tolerance")
"""Manifest fields that sealing writes anew."""


class TeachParameters(Parameters):
    """How the network is trained."""

    seed: int = 0
    sources: dict[str, float] = Field(default={})
    """How many times the texts of a source are drawn (1 where it is not named): long records are few among presentations."""
    hidden: int = 256
    dropout: float = 0.2
    unread: float = 0.3
    """Share of texts whose findings are withheld, so that the vector alone serves too."""
    unseen: float = 0.2
    """Share of single findings withheld from the others."""
    least_count: int = 2
    """Training texts in which a finding must be stated, or denied, to have a mark."""
    scale: float = 20.0
    differential: float = 0.1
    """Share of a text's target that goes to the differential of its entry, so that the list behind the first place is one a doctor would weigh."""
    danger: float = 0.3
    """Weight of the loss of danger beside that of the entries."""
    epochs: int = 8
    batch: int = 256
    learning_rate: float = 1e-3


def vectors_of(texts: Sequence[str], encoder: TextEncoder, cache: Path) -> Matrix:
    """Unit vectors (n, dimension); what was encoded is kept in `cache` by the encoder's hash, under hashes of the texts."""
    file = cache / f"{encoder.bundle.manifest['files']['model.onnx']['sha256'][:16]}.npz"
    known: dict[bytes, npt.NDArray[np.float16]] = {}
    if file.is_file():
        with np.load(file, allow_pickle=False) as data:
            known = {key.tobytes(): vector for key, vector in zip(data["keys"], data["vectors"], strict=True)}
    keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        known |= dict(zip(missing, encoder.encode(list(missing.values())).astype(np.float16), strict=True))
        cache.mkdir(parents=True, exist_ok=True)
        all_keys = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, 16)
        np.savez(file, keys=all_keys, vectors=np.stack(list(known.values())))
    return np.stack([known[key] for key in keys]).astype(np.float32)


def prototypes_of(vectors: torch.Tensor, labels: torch.Tensor, shares: torch.Tensor, weights: torch.Tensor, entries: int) -> torch.Tensor:
    """(entries, dimension): the unit mean of each entry's texts."""
    sums = torch.zeros(entries, vectors.shape[1])
    for place in range(labels.shape[1]):
        sums.index_add_(0, labels[:, place], vectors * (shares[:, place] * weights)[:, None])
    return torch.nn.functional.normalize(sums, dim=1)


def known_findings(texts: Sequence[EntryText], least: int) -> tuple[str, ...]:
    """Findings, stated and denied, that occur in so many texts."""
    counts = Counter(finding for text in texts for finding in text.findings)
    return tuple(sorted(finding for finding, count in counts.items() if count >= least))


def withheld(marks: Sequence[Sequence[int]], parameters: TeachParameters, drawn: np.random.Generator) -> list[list[int]]:
    """The marks of a batch without those that this step does not show."""
    kept = []
    for own in marks:
        hidden = drawn.random() < parameters.unread
        shown = drawn.random(len(own)) >= parameters.unseen
        kept.append([] if hidden else [mark for mark, seen in zip(own, shown, strict=True) if seen])
    return kept


def targets_of(text: EntryText, differential: float) -> list[tuple[str, float]]:
    """Entries with their shares of a text's target; a text without an entry has none."""
    total = sum(weight for _, weight in text.entries)
    beside = differential if text.differential and total else 0.0
    return [
        *((entry, (1.0 - beside) * weight / total) for entry, weight in text.entries),
        *((entry, beside / len(text.differential)) for entry in text.differential if beside),
    ]


def teach(
    vectors: Matrix, texts: Sequence[EntryText], ids: Sequence[str], findings: Sequence[str], parameters: TeachParameters
) -> tuple[TaughtModule, float]:
    """Cross-entropy against each text's entries and its danger, texts drawn by weight; the module and the last epoch's loss."""
    torch.manual_seed(parameters.seed)
    generator = np.random.default_rng(parameters.seed)
    numbers = {finding: number for number, finding in enumerate(findings)}
    marks = [[numbers[finding] for finding in text.findings if finding in numbers] for text in texts]
    places = {ident: place for place, ident in enumerate(ids)}
    targets = [targets_of(text, parameters.differential) for text in texts]
    most = max(map(len, targets))
    danger = torch.tensor([bool(text.danger) for text in texts], dtype=torch.float32)
    judged = torch.tensor([text.danger is not None for text in texts], dtype=torch.float32)
    labels, shares = torch.zeros(len(texts), most, dtype=torch.long), torch.zeros(len(texts), most)
    for i, target in enumerate(targets):
        for j, (ident, share) in enumerate(target):
            labels[i, j], shares[i, j] = places[ident], share
    given = torch.from_numpy(vectors)
    weights = torch.tensor([text.weight * parameters.sources.get(text.source, 1.0) for text in texts])
    prototypes = prototypes_of(given, labels, shares, weights, len(ids))
    module = TaughtModule(prototypes, len(findings), parameters.hidden, parameters.dropout, parameters.scale)
    optimiser = torch.optim.AdamW(module.parameters(), lr=parameters.learning_rate, weight_decay=0.0)
    steps = max(1, len(texts) // parameters.batch) * parameters.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: max(0.02, 1 - step / steps))
    loss_sum, epoch_steps = 0.0, steps // parameters.epochs
    for _ in range(parameters.epochs):
        drawn = torch.multinomial(weights, epoch_steps * parameters.batch, replacement=True)
        loss_sum = 0.0
        for rows in drawn.split(parameters.batch):
            shown = withheld([marks[row] for row in rows.tolist()], parameters, generator)
            logits, risk = module(given[rows], shown)
            loss = -(torch.log_softmax(logits, dim=1).gather(1, labels[rows]) * shares[rows]).sum(dim=1).mean()
            missed = torch.nn.functional.binary_cross_entropy_with_logits(risk, danger[rows], reduction="none")
            optimiser.zero_grad()
            (loss + parameters.danger * (missed * judged[rows]).mean()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            loss_sum += float(loss.detach())
    return module.eval(), loss_sum / epoch_steps


def judged(part: taught.Taught, targets: Sequence[str], vectors: Matrix, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of records whose first label is first, or among the first 3 or 10, by the taught part alone."""
    ranks = []
    for vector, row in zip(vectors, rows, strict=True):
        absent = [finding[1:] for finding in row["findings"] if finding.startswith("-")]
        scores = part.score(vector, [finding for finding in row["findings"] if not finding.startswith("-")], absent).likely
        ranks.append(int((scores > scores[targets.index(row["labels"][0])]).sum()))
    return {"records": len(ranks), **{f"top{k}": round(float((np.array(ranks) < k).mean()), 4) for k in (1, 3, 10)}}


def run(
    kb: KnowledgeBase,
    parameters: TeachParameters,
    *,
    bundle_folder: Path = BUNDLE,
    out: Path = OUT,
    queries: Path = QUERIES,
    cache: Path = CACHE,
) -> dict[str, Any]:
    """Teach, and seal the bundle with its taught part at `out`; figures on held-out authored records."""
    torch.set_num_threads(1)
    bundle = Bundle.open(bundle_folder, replay=0)
    encoder = TextEncoder(bundle)
    rows = [json.loads(line) for line in queries.read_text(encoding="utf-8").splitlines()]
    texts = [*entry_texts(rows, kb), *second_looks(rows, kb)]
    targets = [*kb.diseases, *kb.thin]
    held = [row for row in rows if row["split"] == "authored_dev" and row["labels"] and row["labels"][0] in kb.diseases]
    with run_of("ranker_teach", parameters.model_dump(), inputs={"queries": queries}):
        vectors = vectors_of([text.text for text in texts], encoder, cache)
        findings = known_findings(texts, parameters.least_count)
        module, loss = teach(vectors, texts, targets, findings, parameters)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(bundle_folder, out)
        taught.write(out / TAUGHT, module.sealed(tuple(targets), findings))
        part = taught.Taught(taught.read(out / TAUGHT), targets, vectors[:0], np.zeros(0, dtype=np.int64))
        figures: dict[str, Any] = {"texts": len(texts), "findings": len(findings), "loss": round(loss, 4)}
        if held:
            figures |= judged(part, targets, vectors_of([row["text"] for row in held], encoder, cache), held)
        mlflow.log_metrics({name: float(value) for name, value in figures.items()})
    golden = [json.loads(line) for line in (out / GOLDEN).read_text(encoding="utf-8").splitlines()]
    fields = {k: v for k, v in bundle.manifest.items() if k not in RESEALED} | {"taught": figures}
    seal(out, task="ranker", version="unfitted", fields=fields, golden=golden, golden_tolerance=bundle.manifest["golden_tolerance"])
    return figures


if __name__ == "__main__":
    print(json.dumps(run(load(), load_block(TeachParameters, "teach")), ensure_ascii=False))
