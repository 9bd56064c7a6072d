"""An LLM as judge: one that has to prove itself on gold pairs before any of its verdicts counts."""
