# tries: run programs
import os, subprocess
!cat __OUTSIDE__/secret.txt
print(os.system("cat __OUTSIDE__/secret.txt"))
for act in (lambda: subprocess.run(["cat", "__OUTSIDE__/secret.txt"]), lambda: os.posix_spawn("/bin/cat", ["cat"], {}), lambda: os.execv("/bin/true", ["true"])):
    try:
        act()
        print("RAN")
    except OSError: pass
