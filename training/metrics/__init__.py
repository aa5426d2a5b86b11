"""Metrics as counts first, ratios last."""
