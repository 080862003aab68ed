"""Settings as frozen dataclasses that need no JAX."""
