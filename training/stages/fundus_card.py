"""The card of the fundus bundle, in plain words, written from the report that stands beside it."""

from __future__ import annotations

from typing import Any

from training.datasets.fundus import GRADED_SOURCES

HEAD = """# Fundus photographs: diabetic retinopathy

Version {version}. **A research model without a medical device licence.** It advises; a doctor decides. It was trained on public research
photographs whose terms allow research only, and nobody has tried it in a clinic.

## What it does
A colour photograph of the retina (JPEG, PNG, DICOM) is brought to one form (circle found, central band, light and colour evened out, 320 x 240) and
passes two gates: is it a fundus photograph, and can it be graded. Then one EfficientNet-Lite0 answers four questions, "grade at least 1, 2, 3, 4" on the
international scale, and draws four lesion maps (microaneurysms, haemorrhages, hard and soft exudates) that are part of its answer and of the heat map.
Referable means grade 2 or more, or macular oedema where the source says so. The decision is taken at the sealed threshold ({threshold}).

Every figure below is on photographs that the measured network was not trained on, with 95 % intervals over patients. "Left out" means that the whole
source (its cameras, clinics, graders) was left out of training: expect that on a new camera. "5-fold" means other patients of known sources.

## How well it tells referable eyes, by source
| source | AUC, left out | AUC, 5-fold | sensitivity, left out | specificity, left out | sensitivity, 5-fold | specificity, 5-fold | gradable |
| --- | --- | --- | --- | --- | --- | --- | --- |
{by_source}

## Predictive values at the sealed threshold (gradable photographs)
Positive: of those called referable, how many are. Negative: of those called not referable, how many are not. In a clinic 5-10 % of diabetics are referable.
| | at 5 % | at 10 % | at 30 % |
| --- | --- | --- | --- |
{predictive}

## By quality (EyeQ labels, EyePACS only, left out)
| quality | photographs | sensitivity | specificity | positive / negative value at 5 %, 10 %, 30 % |
| --- | --- | --- | --- | --- |
{by_quality}

## Gates and heat map
- Poor quality told from good and usable: AUC {quality_auc}. Pictures that are no fundus photograph refused: {refused}. Good photographs refused: {good_refused}.
- Good or usable photographs called ungradable: {good_poor}; EyeQ's rejects called ungradable: {reject_caught}. On a camera without quality labels in training
  a tenth or more of the photographs may be refused (ODIR, left out of the gate too: {unseen_poor}).
- A heat map holds {heat} times as much of its warmth in the marked lesions (grown by 3 of 320 pixels) as their area would give (IDRiD, held out by fold).

## Where it fails
{fails}
- Copies that were shrunk or compressed again score otherwise: 384-pixel photographs saved again as JPEG 75 moved by .04 on average and .17 at most
  (docs/log/fundus.md). Send the camera's original; a border or a larger copy changes little (.01).
- Single microaneurysms: the photographs it learnt from have 224-384 lines, so mild disease (grade 1) is often missed and the grade is off by one often.
- Grades 3 and 4 are rare in training ({severe} photographs): the sight-threatening probability is rough. An eye called "not referable" may still be sick.
- Macular oedema is not looked for as such: one field of one eye cannot show thickness.
- Other diseases (glaucoma, macular degeneration, vein occlusion, myopia) are not graded. They can be called referable, or pass as healthy.
- Handheld cameras, small fields (under 40 degrees), ultra-wide fields and children were not in training. Laser scars are read at random.
- Retinas of other peoples than those of India, China and the United States were hardly seen.
- It must not be the only reader where a missed eye has no second chance: keep the yearly photograph, and see every eye with symptoms.

## Trained on
{trained}. Label noise is part of every figure: 43 pairs of equal APTOS photographs carry different grades; ODIR grades are read from keywords.
"""


def told(entry: dict[str, Any]) -> str:
    """A share with its interval: 0.905 (0.890-0.918)."""
    return "-" if entry["value"] is None else f"{entry['value']:.3f} ({entry['low']:.3f}-{entry['high']:.3f})"


def _predictive(name: str, point: dict[str, Any]) -> str:
    cells = [f"{v['positive']:.2f} / {v['negative']:.3f}" for v in point["predictive"].values()]
    return f"| {name} | {' | '.join(cells)} |"


def card(report: dict[str, Any], version: str, trained_on: list[str], severe: int) -> str:
    """The card's Markdown.

    Args:
        report: what `fundus_evaluate` wrote, with all folds.
        version: of the bundle.
        trained_on: sources.
        severe: photographs of grade 3 and 4 in training.
    """
    loso, cv, gates = report["loso"], report["cv"], report["gates"]
    by_source = [
        f"| {s} | {told(loso[s]['referable_auc'])} | {told(cv[s]['referable_auc'])} | "
        + " | ".join(told(kind[s]["sealed_threshold"][k]) for kind in (loso, cv) for k in ("sensitivity", "specificity"))
        + f" | {told(cv[s]['share_gradable'])} |"
        for s in GRADED_SOURCES
    ]
    predictive = [_predictive(f"{s}, left out", loso[s]["gradable"]["sealed_threshold"]) for s in GRADED_SOURCES]
    predictive += [
        _predictive("all, left out", loso["pooled_gradable"]["sealed_threshold"]),
        _predictive("all, 5-fold", cv["pooled_gradable"]["sealed_threshold"]),
    ]
    by_quality = [
        f"| {q} | {point['n']} | {told(point['sensitivity'])} | {told(point['specificity'])} | "
        + ", ".join(f"{v['positive']:.2f} / {v['negative']:.3f}" for v in point["predictive"].values())
        + " |"
        for q, point in loso["by_quality"].items()
        if point["n"]
    ]
    worst = min(GRADED_SOURCES, key=lambda s: loso[s]["sealed_threshold"]["sensitivity"]["value"])
    loudest = max(GRADED_SOURCES, key=lambda s: loso[s]["normals_called_referable"]["value"])
    missed = loso[worst]["sealed_threshold"]["sensitivity"]
    false = loso[loudest]["normals_called_referable"]
    fails = [
        f"- On a camera it has not seen the threshold is off: {worst} left out, it finds only {told(missed)} of the referable eyes; {loudest} left "
        f"out, it calls {told(false)} of the healthy eyes referable. Check it on a hundred local photographs before use.",
        "- Sight-threatening eyes (grade 3 or 4) called referable with the source left out: "
        + ", ".join(f"{s} {told(loso[s]['sight_threatening_called_referable'])}" for s in GRADED_SOURCES)
        + ". The rest were passed as not referable.",
    ]
    return HEAD.format(
        version=version,
        threshold=report["calibration"]["referable_threshold"],
        by_source="\n".join(by_source),
        predictive="\n".join(predictive),
        by_quality="\n".join(by_quality),
        quality_auc=told(gates["quality_reject_auc"]),
        refused=told(gates["not_fundus_refused"]),
        good_refused=told(gates["good_photographs_refused"]),
        good_poor=told(gates["good_or_usable_called_reject"]),
        reject_caught=told(gates["reject_called_reject"]),
        unseen_poor=told(gates["called_reject_by_a_head_without_the_source"]["odir"]["plain"]),
        heat=f"{report['heat_map']['grown_3']['ratio']['value']:.1f}",
        fails="\n".join(fails),
        severe=severe,
        trained=", ".join(trained_on),
    )
