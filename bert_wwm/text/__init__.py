"""From files to documents, pieces and words."""
