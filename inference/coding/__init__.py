"""Coding: diagnosis and procedure texts to the codes of an imported table."""
