# tries: secrets in the environment of this and other processes
import glob, os
print(dict(os.environ))
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ"]:
    try: print(open(path, "rb").read())
    except OSError: pass
