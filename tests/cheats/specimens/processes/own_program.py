# tries: run a program from the folder
import os, shutil, sys
open("run.sh", "w").write("#!/bin/sh\necho RAN")
os.chmod("run.sh", 0o755)
try: os.execv("./run.sh", ["./run.sh"])
except OSError: pass
