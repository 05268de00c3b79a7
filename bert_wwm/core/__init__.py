"""What every layer stands on: errors, files, registries, randomness."""
