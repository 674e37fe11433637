"""Serves moto on a free port of the loopback interface, says which, and ends when its standard input does."""

import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
print(port, flush=True)
# Whoever started it holds the other end, and lets go of it in whatever way it ends.
sys.stdin.read()
