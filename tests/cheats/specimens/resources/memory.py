# tries: more memory than there is
def double(x): return bytearray(1 << 40)
