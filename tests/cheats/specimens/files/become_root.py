# tries: become another user
import os
for act in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try: act()
    except OSError: pass
try: print("READ", open("__OUTSIDE__/secret.txt").read())
except OSError: pass
