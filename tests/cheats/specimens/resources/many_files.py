# tries: use up all inodes
try:
    for number in range(100_000): open(f"f{number}", "w").close()
    print("FILLED")
except OSError: pass
