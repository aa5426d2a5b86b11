"""The instruments by name. A module in `instruments/` that defines `INSTRUMENT` (or `INSTRUMENTS`) is one: adding an
instrument means adding one file."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from knowledge_base.rules import instruments as folder
from knowledge_base.rules.instrument import Instrument


@cache
def instruments() -> dict[str, Instrument]:
    """Every instrument by its contract name, in alphabetical order."""
    found: dict[str, Instrument] = {}
    for module_info in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{folder.__name__}.{module_info.name}")
        for instrument in getattr(module, "INSTRUMENTS", None) or (module.INSTRUMENT,):
            if instrument.name in found:
                raise ValueError(f"two instruments are named {instrument.name}")
            found[instrument.name] = instrument
    return dict(sorted(found.items()))
