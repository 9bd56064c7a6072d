"""Where the public sets lie in a data directory, so that settings can choose between them and the package's small ones."""

from __future__ import annotations

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    "harmbench": "harmbench/harmbench_behaviors_text_all.csv",
    "advbench": "advbench/harmful_behaviors.csv",
    "strongreject": "strongreject/strongreject_dataset.csv",
    "xstest_unsafe": "xstest/xstest_prompts.csv",
    "xstest_safe": "xstest/xstest_prompts.csv",
    "realtoxicityprompts": "realtoxicityprompts",
}
"""Source -> its file, or directory, in the data directory."""

HARMFUL_SOURCES = ("harmbench", "advbench", "strongreject", "xstest_unsafe")
BORDERLINE_SOURCES = ("xstest_safe",)
TOXIC_SOURCES = ("realtoxicityprompts",)
