"""Whose allergy, and whether it is denied."""

from __future__ import annotations

import pytest

from data_contracts.record import Record
from inference.medication.allergies import allergy_classes
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase


@pytest.mark.parametrize(
    ("text", "allergic"),
    [
        ("青霉素过敏，咽痛", True),
        ("青霉素皮试阳性", True),
        ("过敏史：青霉素。咳嗽", True),
        ("否认高血压，有阿莫西林过敏史", True),
        ("患儿母亲代诉对青霉素过敏", True),
        ("对头孢、青霉素过敏", True),
        ("否认青霉素过敏", False),
        ("否认青霉素，头孢过敏", False),
        ("无青霉素过敏史", False),
        ("既往青霉素不过敏", False),
        ("青霉素皮试阴性", False),
        ("父亲对青霉素过敏，本人无过敏史", False),
        ("否认食物、药物过敏史", False),
        ("对海鲜过敏", False),
    ],
)
def test_penicillin_allergy(kb: KnowledgeBase, rule_reader: Reader, text: str, allergic: bool) -> None:
    found = allergy_classes(rule_reader.read([Record(id="a", text=text)])[0], kb)
    assert ("penicillins" in found) is allergic
