"""Is the adapter what it claims to be? Facts about files, tensors and behaviour, each a check with a remedy.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

from harness.moved import moved

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = moved(__name__, {"answers_still_end": "harness.checks.overfitting:answers_still_end"}, otherwise=_load)
