# tries: a process without builtins, modules and streams
import builtins, sys
sys.stdout = sys.stderr = sys.displayhook = sys.excepthook = None
for name in list(sys.modules): sys.modules[name] = None
for name in list(vars(builtins)): vars(builtins).pop(name) if name != "list" else None
