# tries: a message nested a hundred thousand deep
import os, struct
def double(x):
    text = b"[" * 100_000 + b"]" * 100_000
    os.write(3, struct.pack("!4sII", b"TbH1", len(text), 0) + text)
    return 0
