# tries: an answer that never ends
import os
def double(x):
    while True: os.write(3, b"TbH1\x00\xff\xff\xff\x00\x00\x00\x00" + b" " * 10_000)
