"""Flax networks that denoise speech, and their trained weights."""
