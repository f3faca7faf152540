"""Eighteen months of real purchases at an internet shop (SOURCE.md says where they come from)."""
