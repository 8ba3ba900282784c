# tries: reach outside through /proc
import glob
for path in glob.glob("/proc/*/root__OUTSIDE__/secret.txt") + glob.glob("/proc/*/cwd/*") + glob.glob("/proc/*/fd/*"):
    try:
        found = open(path).read(200)
        if found: print("READ", found)
    except (OSError, UnicodeDecodeError): pass
