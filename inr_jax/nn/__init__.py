"""Coordinate networks as pure functions: SIREN, Fourier features, coordinates."""
