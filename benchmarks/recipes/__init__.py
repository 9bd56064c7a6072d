"""Every recipe that ships, trained on the embedded model and put to the gates."""
