"""Pages and tables out of runs held against each other."""
