# tries: hang up and pretend to be dead
import os
def double(x): os.close(3)
