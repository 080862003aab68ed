"""Flax networks and their trained weights."""
