"""Whole-word-masking pretraining of Chinese BERT."""
