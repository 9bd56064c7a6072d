"""Does the adapter do its task everywhere, and as its answers should look? What a mean over all items hides.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
