"""Stage ``coding_lists``: the candidate lists that the pair network trains on, as arrays of token ids.

python -m training.stages.coding_lists --out build/training/coding
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

import yaml

from inference.engine import own_codes
from knowledge_base.compiled import KnowledgeBase, load
from training.datasets.coding_pairs import SYSTEMS, ListSettings, prepare

WEIGHTS = Path("weights") / "bge-small-zh-v1.5"
OUT = Path("build/training/coding")


def own_aliases(kb: KnowledgeBase) -> dict[str, list[tuple[str, str]]]:
    """By system, the knowledge base's (alias, name) pairs."""
    rows, aliases = own_codes(kb)
    names = {system: dict(rows[system]) for system in SYSTEMS}
    return {system: [(alias, names[system][code]) for code, alias in aliases[system] if code in names[system]] for system in SYSTEMS}


def settings_from(path: Path) -> ListSettings:
    """The ``coder_lists`` block of ``params.yaml``; an unknown key is an error."""
    block = dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("coder_lists") or {})
    if "disturbed_names" in block:
        block["disturbed_names"] = tuple(block["disturbed_names"])
    return ListSettings(**block)


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    corpora = Path(os.environ["XINGLIN_CORPORA"])
    counts = prepare(corpora, corpora / WEIGHTS / "tokenizer.json", arguments.out, own_aliases(load()), settings_from(arguments.params))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
