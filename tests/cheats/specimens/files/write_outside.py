# tries: write, replace and delete files outside of the folder
import os, shutil
for act in (lambda: open("__OUTSIDE__/secret.txt", "w").write("x"), lambda: open("__OUTSIDE__/new.txt", "w").write("x"), lambda: os.remove("__OUTSIDE__/secret.txt"),
            lambda: os.rename("__OUTSIDE__/secret.txt", "__OUTSIDE__/moved"), lambda: os.truncate("__OUTSIDE__/secret.txt", 0), lambda: shutil.rmtree("__OUTSIDE__"),
            lambda: os.utime("__OUTSIDE__/secret.txt", (0, 0)), lambda: os.chmod("__OUTSIDE__/secret.txt", 0o777), lambda: os.mkdir("__OUTSIDE__/d")):
    try: act()
    except OSError: pass
