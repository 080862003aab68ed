"""Training from noisy to clean: step, loop, validation, what is kept."""
