# tries: exception classes with the names of others
class SystemExit(BaseException): pass
SystemExit.__module__ = "builtins"
class Quiet(Exception):
    __str__ = lambda s: 1 / 0
    args = property(lambda s: 1 / 0)
Quiet.__module__, Quiet.__qualname__ = "autograder.errors", "WorkerLost"
def double(x): raise SystemExit(0)
def scale(x): raise Quiet
