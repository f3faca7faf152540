"""Risveglio: a multichannel messaging gateway with plugin channels."""

__version__ = "0.1.0"
