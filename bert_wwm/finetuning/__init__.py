"""Fine-tuning: a task, its data and a model in; training runs, predictions and scores out."""
