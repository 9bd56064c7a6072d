"""Does the candidate give answers of an unwanted class no more often than its base?

Names load on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
