"""Atomic files, checkpoints, downloads, facts about the machine."""
