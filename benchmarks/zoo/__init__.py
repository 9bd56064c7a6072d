"""A zoo of sabotaged adapters, each of which a named gate must catch, and of healthy ones that none may reject."""
