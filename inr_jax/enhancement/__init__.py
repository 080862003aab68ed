"""Methods that turn a noisy recording into an estimate of the clean one."""
