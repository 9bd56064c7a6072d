"""Adapters on disk: which files may be loaded, what their tensors are called, and whether they fit a base."""
