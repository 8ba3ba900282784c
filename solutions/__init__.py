"""The reference package: each exercise solved in plain PyTorch, one module an exercise."""
