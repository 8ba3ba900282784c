"""The hidden checks, one module an exercise, on inputs drawn from the instructor's secret seed."""
