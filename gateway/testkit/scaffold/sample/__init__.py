"""The channel `sample`."""

from .channel import SampleChannel

__all__ = ["SampleChannel"]
