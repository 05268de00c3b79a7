"""What to mask, and what to put there."""
