"""Did the model refuse? An offline answer, from the grammar of refusing."""
