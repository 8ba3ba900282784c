# tries: import hidden files by path
import importlib.util, sys
sys.path.insert(0, "__REPO__")
try:
    import tests.cheats.secret as found
    print("IMPORTED", found.TOKEN)
except ImportError: pass
try:
    spec = importlib.util.spec_from_file_location("x", "__REPO__/solutions/attention.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    print("IMPORTED")
except (OSError, ImportError): pass
