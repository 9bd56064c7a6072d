"""A provider on loopback, and recipes that it trains."""

from provider_recipes import hasty, make_served, serve, train

__all__ = ["hasty", "make_served", "serve", "train"]
