"""What only the instructor has: hidden checks, judge and worker, sandbox, command line."""
