"""What people look at: examples in the terminal, curves."""
