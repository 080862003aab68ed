"""Clips: finding, loading, mixing with noise, corpora for training."""
