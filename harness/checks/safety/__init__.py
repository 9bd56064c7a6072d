"""Gates on how often an unwanted class of answers comes."""
