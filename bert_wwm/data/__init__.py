"""From documents to training examples; pure, what every runner calls."""
