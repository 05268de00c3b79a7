"""The network: encoder, heads, and what a checkpoint gives them."""
