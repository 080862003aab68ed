"""Flags that several commands share, each defined once."""
