"""Differentiable losses of one signal, (estimate, target)."""
