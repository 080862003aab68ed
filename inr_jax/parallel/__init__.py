"""Devices, processes, batches of padded clips, compute settings."""
