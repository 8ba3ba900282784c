# tries: announce a message of four gigabytes
import os, struct
def double(x):
    os.write(3, struct.pack("!4sII", b"TbH1", 2**32 - 1, 2**32 - 1))
    return 0
