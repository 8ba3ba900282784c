# tries: send the work somewhere
import socket, urllib.request
for act in (lambda: socket.create_connection(("127.0.0.1", __PORT__), 1), lambda: urllib.request.urlopen("http://127.0.0.1:__PORT__", timeout=1), lambda: socket.socket(socket.AF_UNIX), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", __PORT__)), lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)):
    try:
        act()
        print("CONNECTED")
    except OSError: pass
