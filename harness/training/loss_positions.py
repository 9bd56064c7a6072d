"""The vocabulary projection on labelled tokens alone, on every device."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_log = logging.getLogger(__name__)


@contextmanager
def labelled_positions_only() -> Iterator[None]:
    """While open, TRL's fused head scores only the tokens that carry a label.

    TRL 1.16 does so where Triton runs and scores every position elsewhere, so that Neuron need not recompile
    (`add_fused_lm_head`, trl/trainer/utils.py). Prompts are four fifths of a tool-calling row: on CPU the
    wasted positions were more than half of a training step, and most of its memory. The loss is the same number.
    """
    utils = import_module("trl.trainer.utils")
    original = getattr(utils, "_use_triton", None)
    if original is None:
        _log.debug("this TRL has no switch for scored positions; leaving it as it is")
        yield
        return
    # Only the choice of positions reads this name; the kernels keep their own and run as torch ops without Triton.
    utils._use_triton = lambda device: True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        utils._use_triton = original  # type: ignore[attr-defined]
