"""Runs: written by any number of processes, stored in one directory each, read back without a model.

Names load on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
