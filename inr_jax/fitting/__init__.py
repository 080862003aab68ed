"""Fits of SIRENs to signals: one, many at once, sweeps, early stopping."""
