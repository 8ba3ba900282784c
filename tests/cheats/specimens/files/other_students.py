# tries: list and read other students' work and the gradebook
import glob, os
for pattern in ("__OUTSIDE__/../*", "__OUTSIDE__/*", "__REPO__/*", "/home/*", "/root/*", "/**/gradebook.db", "/tmp/*"):
    for path in glob.glob(pattern):
        if "secret" in path or "gradebook" in path or "tests" in path: print("READ", path)
