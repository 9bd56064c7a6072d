"""The page of a task's keys in assay.yaml, out of the model of each kind's keys."""

from __future__ import annotations

from collections import Counter

from generator import schema, sources
from generator.markdown import code

_HEAD = """# Tasks

What an entry of `tasks:` in [assay.yaml](configuration.md) may say, by its `kind:`. What its answers are scored by is under
[metrics](metrics.md); kinds of your own come as [plugins](../extending.md).

## Keys of most kinds {: #most }
"""


def page() -> str:
    """The keys that most kinds have, once; then each kind with its own."""
    kinds = {kind: keys["properties"] for kind, keys in sources.task_keys().items()}
    counted = Counter(key for keys in kinds.values() for key in keys)
    shared = {key: value for keys in kinds.values() for key, value in keys.items() if counted[key] > len(kinds) / 2}
    parts = [_HEAD, schema.keys({"properties": shared})]
    for kind, keys in kinds.items():
        own = {key: value for key, value in keys.items() if key not in shared}
        of_most = ", ".join(code(key) for key in keys if key in shared)
        parts.append(f"## {kind} {{: #{kind} }}\n\n[Of most kinds](#most): {of_most}.\n")
        parts += [schema.keys({"properties": own})] if own else []
    return "\n".join(parts)
