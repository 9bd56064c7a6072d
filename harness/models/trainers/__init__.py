"""What trainers leave beside the weights: read for what it says of the training, and made what PEFT loads where it is not."""
