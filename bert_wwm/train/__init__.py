"""Training: learning rates, optimizers, the loop around them."""
