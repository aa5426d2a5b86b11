"""From a panel to the model's inputs, shared by training and serving so that both prepare a row alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def design(raw: Floats, parameters: dict[str, Any]) -> Floats:
    """Winsorise, log, fill an unknown value with the sealed median and say so by block, add hinges at sealed knots.

    Args:
        raw: rows x features, canonical units, NaN unknown.
        parameters: `{"features": [{"name", "low", "high", "log", "median", "knots"}], "blocks": [[feature positions]]}`.

    Returns:
        rows x (features + hinges + blocks); a block's column is 1 where all of it is unknown.
    """
    columns: list[Floats] = []
    unknown = np.isnan(raw)
    hinges: list[Floats] = []
    for position, feature in enumerate(parameters["features"]):
        values = np.clip(raw[:, position], feature["low"], feature["high"])
        values = np.log(values) if feature["log"] else values
        values = np.where(unknown[:, position], feature["median"], values)
        columns.append(values)
        hinges += [np.maximum(values - knot, 0.0) for knot in feature["knots"]]
    blocks = [unknown[:, positions].all(axis=1).astype(np.float64) for positions in parameters["blocks"]]
    return np.stack([*columns, *hinges, *blocks], axis=1)
