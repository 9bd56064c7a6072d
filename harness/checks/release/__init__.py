"""Is the file that ships still the candidate that was approved? Read beside it, text by text, and by its answers.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
