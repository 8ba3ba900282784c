# tries: not-a-number and infinities
def double(x): return float("nan") if x % 2 else float("inf")
def scale(x): return x * float("nan")
