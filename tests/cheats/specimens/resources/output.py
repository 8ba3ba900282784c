# tries: more output than anybody can store
for _ in range(200): print("x" * 1_000_000)
from IPython.display import display
display({"text/html": "x" * 50_000_000}, raw=True)
