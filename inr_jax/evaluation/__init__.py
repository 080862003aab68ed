"""Scores of methods on clips: runs, tables, figures, the listening page."""
