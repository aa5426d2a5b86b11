"""The hybrid ranking: semantic, probabilistic, case-based, mentioned; fused and calibrated."""
