"""What goes wrong by the method of a training: recipes of each method on a small base, right and spoilt."""
