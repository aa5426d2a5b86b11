"""Corpora brought into training form."""
