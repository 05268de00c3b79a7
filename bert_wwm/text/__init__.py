"""From text to pieces."""
