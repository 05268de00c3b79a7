"""From sentences to words."""
