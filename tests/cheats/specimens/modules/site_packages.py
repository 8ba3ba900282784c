# tries: change the installed libraries
import torch, os
try:
    open(os.path.join(os.path.dirname(torch.__file__), "evil.py"), "w").write("x")
    print("WROTE")
except OSError:
    pass
for path in __import__("sys").path:
    try:
        open(path + "/sitecustomize.py", "w").write("raise SystemExit(0)")
        print("WROTE", path) if "site-packages" in path else None
    except OSError:
        pass
