"""`assay serve`: the runs of a directory in a browser on this machine, to be listed, filtered, compared and promoted."""
