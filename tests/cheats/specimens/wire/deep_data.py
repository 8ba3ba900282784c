# tries: data nested without end, and very large
def double(x):
    deep = []
    for _ in range(100_000): deep = [deep]
    return deep
def scale(x):
    loop = {}
    loop["self"] = loop
    return loop
def halve(x): return [0] * 10_000_000
