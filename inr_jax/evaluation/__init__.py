"""Scores of methods on clips: runs, tables, figures, the listening page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
