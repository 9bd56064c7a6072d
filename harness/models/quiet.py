"""transformers without its bars and notices: progress is this package's to show."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_TALKATIVE = (
    "bitsandbytes.backends.cpu.ops",
    "transformers.distributed.tensor_parallel",
    "transformers.modeling_utils",
)


def quiet_imports() -> None:
    """Keep bitsandbytes, whoever imports it first, from asking on some CPUs for a package that it does without."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence loading bars and informational notices; errors still show."""
    from transformers.utils import logging as transformers_logging

    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            # of Conv1D layers, which bitsandbytes makes linear ones
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to True")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if had_bars:
            transformers_logging.enable_progress_bar()
