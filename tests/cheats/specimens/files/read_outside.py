# tries: read a file outside of the folder
for path in ("__OUTSIDE__/secret.txt", "../secret.txt", "../../secret.txt", "/proc/self/root__OUTSIDE__/secret.txt"):
    try: print("READ", open(path).read())
    except OSError: pass
