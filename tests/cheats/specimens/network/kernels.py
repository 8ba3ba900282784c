# tries: find other Jupyter kernels
import glob
for path in glob.glob("/root/.local/share/jupyter/runtime/*") + glob.glob("/run/user/*/jupyter/*"): print("READ", path)
