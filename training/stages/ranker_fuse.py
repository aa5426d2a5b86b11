"""Stage `ranker_fuse`: fit fusion, calibration and abstention out of fold on development records, and seal the bundle.

    python -m training.stages.ranker_fuse

A few dozen numbers are fitted by cross-validation over whole records; every figure reported here is out of fold.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from data_contracts.record import Record
from inference.engine import Engine
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.ranking.fusion import FEATURES, LONG_RECORD, age_band, features, pool, standardise
from inference.ranking.options import OPTION_PARTS, logits_of_names
from inference.ranking.probabilistic import ProbabilisticSettings
from inference.ranking.ranker import FUSION, Ranker
from inference.reading.reader import Reader
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import GOLDEN, Bundle, seal
from training.datasets.diagnosis import Example, development
from training.metrics.ranking import HitCounts, expected_calibration_error, is_hit
from training.parameters import Parameters, load_block
from training.stages.ranker_corpora import OUT as QUERIES
from training.stages.ranker_teach import OUT as BUNDLE
from training.stages.ranker_train import RankerParameters
from training.tracking import file_hash, run_of, source_commit

Vector = npt.NDArray[np.float64]
FITTED = Path("build/training/ranker/released")
NON_NEGATIVE = (
    "semantic_z",
    "semantic_gap",
    "semantic_rank",
    "probabilistic_gap",
    "probabilistic_rank",
    "probabilistic_share",
    "votes",
    "votes_rank",
    "lexical_z",
    "lexical_gap",
    "lexical_rank",
    "taught_gap",
    "taught_near",
    "taught_rank",
    "mention_present",
    "mention_possible",
    "key_hits",
    "agreement",
    # authored cases are spread evenly over diseases, so that fitted freely the prior would turn against common ones
    "prior",
)
NON_POSITIVE = ("mention_absent", "conflict", "denials")


class FuseParameters(Parameters):
    """How fusion is fitted."""

    sets: dict[str, float] = Field(default={"authored_dev": 1.0, "msdiagnosis_validation": 1.0, "cmexam_vignettes_dev": 1.0})
    folds: int = 5
    l2: float = 0.02
    emergency_weight: float = 3.0
    """How many times an authored emergency weighs in the fit: a missed one costs more than a calm record's order."""
    keep_share: float = 0.93
    """Abstain below the fused probability that this share of development records exceeds."""
    quiet_share: float = 0.03
    """Share of calm authored records without any rule's flag that the reading of danger may flag."""
    version: str = "1"


@dataclass(slots=True)
class OptionScores:
    """What choosing among a record's options is fitted on.

    Attributes:
        parts: (options, OPTION_PARTS); what stands under `fused` is of the bundle's own weights and is not used.
        shares: (options, targets): the entries that each option stands for.
        matrix: (targets, features) over all targets.
        answer: place of the right one.
    """

    parts: Vector
    shares: npt.NDArray[np.float32]
    matrix: npt.NDArray[np.float32]
    answer: int

    def rows(self, sealed: dict[str, Any]) -> Vector:
        """(options, OPTION_PARTS) with the fused logit of these weights."""
        rows = self.parts.copy()
        rows[:, OPTION_PARTS.index("fused")] = logits_of_names(logits_of(sealed, self.matrix.astype(np.float64)), self.shares)
        return rows


@dataclass(slots=True)
class Query:
    """One development record: its features over the pool, which candidates hit, what it weighs."""

    source: str
    matrix: Vector
    hits: npt.NDArray[np.bool_]
    main: npt.NDArray[np.bool_]
    listed: list[npt.NDArray[np.bool_]]
    """For each name of a doctor's own differential, the candidates that hit it."""
    weight: float
    band: str
    long: bool
    emergency: bool
    options: OptionScores | None
    danger: float | None
    """What the taught part says of danger where no rule fires, of authored records alone."""


def readings_of(examples: Sequence[Example], reader: Reader) -> list[Reading]:
    """Readings of the examples' records."""
    return [reader.read([Record.model_validate(e.record)])[0] for e in examples]


def is_emergency(example: Example, kb: KnowledgeBase) -> bool:
    """Whether the record's main disease must not be missed."""
    return bool(example.labels) and example.labels[0] in kb.diseases and kb.diseases[example.labels[0]].must_not_miss


def query_of(ranker: Ranker, example: Example, reading: Reading, weight: float) -> Query:
    """Features and outcomes of one record."""
    record = facts_of(reading, ranker.kb)
    scores, vector = ranker.parts(reading, record)
    targets = pool(scores)
    shown = [_shown(ranker, int(t)) for t in targets]
    gold, codes = example.gold_names, example.gold_codes or tuple(() for _ in example.gold_names)
    hits = np.array([is_hit(n, c, gold, codes) for n, c in shown])
    main = np.array([is_hit(n, c, gold[:1], codes[:1]) for n, c in shown])
    listed = [np.array([is_hit(n, c, [name], [code]) for n, c in shown]) for name, code in example.meta.get("differential", ())]
    options = None
    if example.options and example.meta.get("answer") in example.options and vector is not None:
        names = list(example.options)
        matrix = features(scores, np.arange(len(ranker.targets))).astype(np.float32)
        options = OptionScores(
            ranker.option_parts(names, scores, vector), ranker.option_shares(names), matrix, names.index(example.meta["answer"])
        )
    band, emergency = age_band(reading.patient.age_years), is_emergency(example, ranker.kb)
    silent = example.source == "authored" and not red_flags(record, ranker.kb)
    return Query(
        example.source,
        features(scores, targets),
        hits,
        main,
        listed,
        weight,
        band,
        scores.characters >= LONG_RECORD,
        emergency,
        options,
        scores.danger if silent else None,
    )


def _shown(ranker: Ranker, target: int) -> tuple[str, str | None]:
    ident = ranker.targets[target]
    if ident in ranker.kb.diseases:
        disease = ranker.kb.diseases[ident]
        return disease.name, disease.icd10[0]
    return ranker.kb.thin[ident].name, ranker.kb.thin[ident].code


def fit(queries: Sequence[Query], l2: float, *, steps: int = 400) -> dict[str, Any]:
    """Listwise logistic regression with signs held: mean, scale, weights, bias."""
    mean, scale = standardise([q.matrix for q in queries])
    usable = [q for q in queries if q.hits.any()]
    matrices = [torch.tensor((q.matrix - mean) / scale, dtype=torch.float32) for q in usable]
    targets = []
    for q in usable:
        share = q.hits * 0.4 + q.main * 0.6
        targets.append(torch.tensor(share / share.sum(), dtype=torch.float32))
    weights_by_query = torch.tensor([q.weight for q in usable])
    lengths = [len(m) for m in matrices]
    stacked = torch.cat(matrices)
    owner = torch.repeat_interleave(torch.arange(len(usable)), torch.tensor(lengths))
    goal = torch.cat(targets)
    w = torch.zeros(len(FEATURES), requires_grad=True)
    sign = torch.tensor([1.0 if f in NON_NEGATIVE else -1.0 if f in NON_POSITIVE else 0.0 for f in FEATURES])
    optimiser = torch.optim.Adam([w], lr=0.05)

    def effective() -> torch.Tensor:
        return torch.where(sign > 0, w.abs(), torch.where(sign < 0, -w.abs(), w))

    with torch.no_grad():
        w += 0.1
    for _ in range(steps):
        logits = stacked @ effective()
        top = torch.full((len(usable),), -1e9).scatter_reduce(0, owner, logits, "amax")
        normal = torch.zeros(len(usable)).index_add(0, owner, torch.exp(logits - top[owner])).log() + top
        loss_rows = torch.zeros(len(usable)).index_add(0, owner, goal * (normal[owner] - logits))
        loss = (loss_rows * weights_by_query).sum() / weights_by_query.sum() + l2 * (w**2).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {"mean": mean.tolist(), "scale": scale.tolist(), "weights": effective().detach().numpy().astype(float).tolist(), "bias": 0.0}


def logits_of(sealed: dict[str, Any], matrix: Vector) -> Vector:
    """Fused logits of a feature matrix."""
    return np.asarray(((matrix - np.array(sealed["mean"])) / np.array(sealed["scale"])) @ np.array(sealed["weights"]))


def platt(logits: Vector, outcomes: Vector, bands: Sequence[str], long: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Slope and offset of the calibrated probability, offsets by age band, and what long records add to both."""
    names = sorted(set(bands))
    x = torch.tensor(logits, dtype=torch.float32)
    y = torch.tensor(outcomes, dtype=torch.float32)
    b = torch.tensor([names.index(band) for band in bands])
    slope = torch.ones(1, requires_grad=True)
    offset = torch.zeros(1, requires_grad=True)
    shifts = torch.zeros(len(names), requires_grad=True)
    long_slope, long_offset = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    lengthy = torch.tensor(long, dtype=torch.float32)
    optimiser = torch.optim.Adam([slope, offset, shifts, long_slope, long_offset], lr=0.05)
    for _ in range(600):
        z = (slope + lengthy * long_slope) * x + offset + shifts[b] + lengthy * long_offset
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y) + 0.02 * (shifts**2).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {
        "slope": slope.item(),
        "offset": offset.item(),
        "long_slope": long_slope.item(),
        "long_offset": long_offset.item(),
        "age_offsets": {n: round(float(s), 4) for n, s in zip(names, shifts, strict=True)},
    }


def fit_options(queries: Sequence[Query], sealed: dict[str, Any]) -> dict[str, float]:
    """Weights, none below zero, of what a name is judged by, for choosing among given names."""
    asked = [q.options for q in queries if q.options is not None]
    if not asked:
        return {"name": 1.0, "fused": 0.5}
    most = max(len(options.parts) for options in asked)
    rows = torch.zeros(len(asked), most, len(OPTION_PARTS))
    absent = torch.ones(len(asked), most, dtype=torch.bool)
    for i, options in enumerate(asked):
        rows[i, : len(options.parts)] = torch.tensor(options.rows(sealed), dtype=torch.float32)
        absent[i, : len(options.parts)] = False
    answers = torch.tensor([options.answer for options in asked])
    spread = rows[~absent].std(dim=0) + 1e-6
    w = torch.full((len(OPTION_PARTS),), 0.3, requires_grad=True)
    optimiser = torch.optim.Adam([w], lr=0.05)
    for _ in range(300):
        logits = ((rows / spread) @ w.abs()).masked_fill(absent, -1e4)
        loss = torch.nn.functional.cross_entropy(logits, answers) + 0.003 * (w**2).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    weights = (w.abs() / spread).detach().tolist()
    return {part: round(weight, 5) for part, weight in zip(OPTION_PARTS, weights, strict=True)}


def choose(q: Query, sealed: dict[str, Any], weights: dict[str, float]) -> bool:
    """Whether the best of the options is the answer."""
    assert q.options is not None
    total = q.options.rows(sealed) @ np.array([weights.get(part, 0.0) for part in OPTION_PARTS])
    return int(np.argmax(total)) == q.options.answer


def cross_validate(queries: Sequence[Query], parameters: FuseParameters) -> tuple[dict[str, Any], list[Vector]]:
    """Out-of-fold hits by set and the out-of-fold logits of every query."""
    folds = np.random.default_rng(3).integers(0, parameters.folds, len(queries))
    out: list[Vector] = [np.zeros(0)] * len(queries)
    chosen: dict[str, list[bool]] = {}
    for fold in range(parameters.folds):
        train = [q for q, f in zip(queries, folds, strict=True) if f != fold]
        sealed = fit(train, parameters.l2)
        weights = fit_options(train, sealed)
        for i, (q, f) in enumerate(zip(queries, folds, strict=True)):
            if f == fold:
                out[i] = logits_of(sealed, q.matrix)
                if q.options is not None:
                    chosen.setdefault(q.source, []).append(choose(q, sealed, weights))
    report: dict[str, Any] = {}
    for source in sorted({q.source for q in queries}):
        any_hit, main_hit = HitCounts(), HitCounts()
        for q, logits in zip(queries, out, strict=True):
            if q.source == source:
                order = np.argsort(-logits)
                any_hit.add(next((r for r, j in enumerate(order) if q.hits[j]), None))
                main_hit.add(next((r for r, j in enumerate(order) if q.main[j]), None))
        report[source] = {
            "any": any_hit.summary(),
            "main": main_hit.summary(),
            "in_pool": float(np.mean([q.main.any() for q in queries if q.source == source])),
        }
        emergencies = [
            next((r for r, j in enumerate(np.argsort(-logits)) if q.main[j]), None)
            for q, logits in zip(queries, out, strict=True)
            if q.source == source and q.emergency
        ]
        if emergencies:
            within = [r is not None and r < 5 for r in emergencies]
            report[source]["emergencies_in_first_five"] = {"n": len(within), "share": round(float(np.mean(within)), 4)}
        recalled = [
            bool(hits[np.argsort(-logits)[:10]].any())
            for q, logits in zip(queries, out, strict=True)
            if q.source == source
            for hits in q.listed
        ]
        if recalled:
            report[source]["differential_recall_at_10"] = {"n": len(recalled), "value": round(float(np.mean(recalled)), 4)}
        if source in chosen:
            report[source]["options"] = {"n": len(chosen[source]), "accuracy": round(float(np.mean(chosen[source])), 4)}
    return report, out


def danger_threshold(queries: Sequence[Query], quiet_share: float) -> dict[str, Any]:
    """The danger above which this share of silent calm records lies, and how many silent emergencies lie above it too."""
    silent = [q for q in queries if q.danger is not None]
    calm, emergencies = (np.array([q.danger for q in silent if q.emergency is wanted], dtype=np.float64) for wanted in (False, True))
    if not len(calm):
        return {"from": 1.0}
    threshold = round(float(np.quantile(calm, 1 - quiet_share)), 4)
    return {
        "from": threshold,
        "silent_calm": len(calm),
        "silent_emergencies": len(emergencies),
        "flagged_emergencies": int((emergencies >= threshold).sum()),
    }


def run(
    kb: KnowledgeBase, parameters: FuseParameters, ranker_parameters: RankerParameters, *, bundle_folder: Path = BUNDLE, out: Path = FITTED
) -> dict[str, Any]:
    """Fit, seal `out`, and report out-of-fold figures."""
    torch.set_num_threads(1)
    engine = Engine(kb=kb)
    bundle = Bundle.open(bundle_folder, replay=0)
    ranker = Ranker(kb, bundle, state=None)
    sets = {name: examples for name, examples in development(kb).items() if name in parameters.sets}
    queries = [
        query_of(ranker, example, reading, parameters.sets[name] * (parameters.emergency_weight if is_emergency(example, kb) else 1.0))
        for name, examples in sets.items()
        for example, reading in zip(examples, readings_of(examples, engine.reader), strict=True)
    ]
    with run_of("ranker_fuse", parameters.model_dump(), inputs={"queries": QUERIES}) as run_id:
        report, out_of_fold = cross_validate(queries, parameters)
        sealed = fit(queries, parameters.l2)
        top = [np.argsort(-logits)[:10] for logits in out_of_fold]
        flat = np.concatenate([logits[t] for logits, t in zip(out_of_fold, top, strict=True)])
        outcomes = np.concatenate([q.hits[t].astype(float) for q, t in zip(queries, top, strict=True)])
        bands = [q.band for q, t in zip(queries, top, strict=True) for _ in t]
        long = np.array([q.long for q, t in zip(queries, top, strict=True) for _ in t])
        calibration = platt(flat, outcomes, bands, long)
        shifts = np.array([calibration["age_offsets"][band] for band in bands]) + long * calibration["long_offset"]
        slopes = calibration["slope"] + long * calibration["long_slope"]
        probabilities = 1 / (1 + np.exp(-(slopes * flat + calibration["offset"] + shifts)))
        report["calibration"] = {"ece": round(expected_calibration_error(probabilities, outcomes), 4), **calibration}
        starts = np.cumsum([0, *[len(t) for t in top]])[:-1]
        best = np.array([probabilities[s] for s in starts])
        danger = report["danger"] = danger_threshold(queries, parameters.quiet_share)
        fitted = {
            "features": list(FEATURES),
            **sealed,
            "calibration": calibration,
            "options": fit_options(queries, sealed),
            "danger_from": danger["from"],
            "abstain_below": round(float(np.quantile(best, 1 - parameters.keep_share)), 4),
            "probabilistic": {k: v for k, v in asdict(ProbabilisticSettings()).items() if k != "repeat"},
        }
        mlflow.log_metrics(
            {
                f"{s}.{w}.{k}": v["value"]
                for s, r in report.items()
                if s not in ("calibration", "danger")
                for w in ("any", "main")
                for k, v in r[w].items()
                if k != "n"
            }
        )
        mlflow.log_dict(fitted, "fusion.json")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(bundle_folder, out)
    (out / FUSION).write_text(json.dumps(fitted), encoding="utf-8")
    golden = [json.loads(line) for line in (out / GOLDEN).read_text(encoding="utf-8").splitlines()]
    (out / "CARD.md").write_text(card(report, kb, ranker_parameters, bundle.manifest.get("encoder_of")), encoding="utf-8")
    seal(
        out,
        task="ranker",
        version=parameters.version,
        fields={
            "temperature": ranker_parameters.temperature,
            "max_tokens": 256,
            "knowledge_version": kb.version,
            "reader_version": engine.reader.version,
            "source_commit": source_commit(),
            "data": {"queries": file_hash(QUERIES)} if QUERIES.is_file() else {},
            "mlflow_run": run_id,
            "metrics": report,
            "parity": bundle.manifest.get("parity"),
            "first_three_by_vectors": bundle.manifest.get("first_three_by_vectors"),
            "encoder_of": bundle.manifest.get("encoder_of"),
            "taught": bundle.manifest.get("taught"),
            "label_space": {"full": len(kb.diseases), "thin": len(kb.thin)},
        },
        golden=golden,
        golden_tolerance=0.02,
    )
    return report


def card(report: dict[str, Any], kb: KnowledgeBase, parameters: RankerParameters, encoder_of: str | None) -> str:
    """The model card; `encoder_of` names the release whose encoder was taken as it was."""
    trained = f"Sources and shares of the encoder's training steps: {parameters.shares}."
    if encoder_of:
        trained = f"The encoder is that of release {encoder_of}, whose card tells its training; view vectors, case bank, centroids, taught part and fusion are new."
    lines = [
        "# Ranker",
        "",
        "Bi-encoder (4 layers, 512; from bge-small-zh-v1.5, MIT) over records and disease views, int8 ONNX; fusion of semantic, taught, lexical, probabilistic,",
        "case-based and mentioned scores by a small linear ranker; Platt calibration with offsets by age band. Advises; a doctor decides. No device licence.",
        "",
        f"Label space: {len(kb.diseases)} full entries and {len(kb.thin)} thin categories, knowledge {kb.version}. {trained}",
        "",
        "Trained on authored and synthesised cases, authored presentations and, for research use, on the train parts of exam vignettes, acted consultations, online consultations,",
        "cardiology records, consultation reports, complaints, symptom lists and an encyclopaedia table. No record text is in the bundle.",
        "",
        "Out-of-fold figures on development sets (fusion weights alone were fitted there, by cross-validation):",
        "",
        "```json",
        json.dumps(report, ensure_ascii=False, indent=1),
        "```",
        "",
        "Known limits: in-patient records dominate the real development data; primary care is represented by authored cases. Thin entries are known by",
        "their names and a few presentations. Probabilities are calibrated on these sets' mix, not on a clinic's prevalence.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(run(load(), load_block(FuseParameters, "fuse"), load_block(RankerParameters, "ranker")), ensure_ascii=False, indent=1))
