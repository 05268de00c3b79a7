"""Models in and out: Google's checkpoints, Hugging Face folders, release archives."""
