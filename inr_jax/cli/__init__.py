"""Command lines: flags, progress, messages, exit codes."""
