"""Atomic files, checkpoints, folders of weights, what results come from."""
