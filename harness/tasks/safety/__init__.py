"""Safety prompts and continuations as tasks."""
