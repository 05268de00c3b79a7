"""Tasks to fine-tune for: what their files hold, features, and what becomes of predictions."""
