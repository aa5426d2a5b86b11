"""A sealed bundle and synthetic photographs: the released bundle where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from inference.fundus.screener import Screener
from models.bundle import RELEASED, Bundle
from training.datasets.fundus_synthetic import encoded, synthetic_fundus


@pytest.fixture(scope="session")
def screener() -> Screener:
    folder = RELEASED / "fundus"
    if not (folder / "manifest.json").exists():
        pytest.skip("no fundus bundle is released")
    return Screener(Bundle.open(folder))


@pytest.fixture(scope="session")
def photograph() -> bytes:
    image, _ = synthetic_fundus(np.random.default_rng(5), size=(960, 800), lesions=30)
    return encoded(image, quality=95)
