"""Runs against each other: gate by gate, item by item, and candidates on one scale."""
