"""lm-eval's habits kept away from the rest of the program: its progress bars, log lines, global seeds and slowness."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Any


@contextlib.contextmanager
def lm_eval_surroundings(seed: int) -> Iterator[None]:
    """What lm-eval expects around it while it builds and evaluates tasks; undone at the end.

    Python's and NumPy's global generators are seeded as `simple_evaluate` does (tasks that shuffle use them), and
    its per-task progress bars are off: the engine shows one for all. Each prompt template is compiled once, where
    lm-eval compiles it anew for every document and example (nine tenths of the time it takes to build MMLU's prompts).

    Args:
        seed: for NumPy; Python's generator is always seeded by 0, as in lm-eval.
    """
    import datasets
    import lm_eval.api.task
    import lm_eval.utils
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()
    logger = logging.getLogger("lm_eval")
    level, bar, bars = logger.level, lm_eval.api.task.tqdm, datasets.is_progress_bar_enabled()
    random.seed(0)
    np.random.seed(seed)
    # its warnings are about settings that we set on purpose, one for each of 57 subjects
    logger.setLevel(logging.ERROR)
    lm_eval.api.task.tqdm = _no_bar
    datasets.disable_progress_bars()
    templates = lm_eval.utils.env
    templates.from_string = lru_cache(maxsize=256)(templates.from_string)
    try:
        yield
    finally:
        del templates.from_string
        random.setstate(state)
        np.random.set_state(numpy_state)
        logger.setLevel(level)
        lm_eval.api.task.tqdm = bar
        if bars:
            datasets.enable_progress_bars()


def _no_bar(items: Any, **options: Any) -> Any:
    return items
