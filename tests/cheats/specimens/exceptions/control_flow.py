# tries: exceptions that end loops and processes
def double(x): raise StopIteration
def scale(x): raise GeneratorExit
def halve(x): raise KeyboardInterrupt
class Model:
    def __init__(self): raise SystemExit(0)
