"""Training on a task: fine-tuning and distillation."""
