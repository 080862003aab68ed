"""Coordinate networks as pure functions: SIREN, Fourier-feature MLP, gain field."""
