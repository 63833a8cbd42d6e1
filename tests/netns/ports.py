# SPDX-License-Identifier: BSD-3-Clause
"""Servers and clients for test_ports.sh.

    ports.py serve NAME FIRST LAST     answers at each port with "NAME PORT CLIENT-PORT"
    ports.py both PORT HOST:PORT ...   keeps a connection to each from one local port, and asks all
                                       of them in turn; prints an answer a line
    ports.py passive HOST              asks port 21 for a port, and fetches from there
"""

import selectors
import socket
import sys

ROUNDS = 3


def serve(name, first, last):
    selector = selectors.DefaultSelector()
    for port in range(first, last + 1):
        listener = socket.create_server(("", port), backlog=64)
        selector.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                connection, client = key.fileobj.accept()
                port = connection.getsockname()[1]
                selector.register(connection, selectors.EVENT_READ, (port, client[1]))
                continue
            try:
                asked = key.fileobj.recv(100)
                if asked:
                    port, client_port = key.data
                    key.fileobj.sendall(f"{name} {port} {client_port}\n".encode())
            except OSError:
                asked = b""
            if not asked:
                selector.unregister(key.fileobj)
                key.fileobj.close()


def connect(local_port, host, port):
    s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if local_port:
        s.bind(("", local_port))
    s.connect((host, port))
    return s


def ask(connection):
    connection.sendall(b"?")
    return connection.makefile().readline().strip()


def both(local_port, endpoints):
    connections = []
    for endpoint in endpoints:
        host, port = endpoint.split(":")
        connections.append(connect(local_port, host, int(port)))
    for _ in range(ROUNDS):
        for endpoint, connection in zip(endpoints, connections):
            print(endpoint, ask(connection))
    # The end of the first is not that of the others.
    connections.pop(0).close()
    for endpoint, connection in zip(endpoints[1:], connections):
        print(endpoint, ask(connection))


def passive(host):
    """As FTP does: the control connection says where the data is."""
    control = connect(0, host, 21)
    name, _, client_port = ask(control).split()
    data = connect(0, host, 30000 + int(client_port) % 100)
    print(name, "and", ask(data).split()[0])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "both":
        both(int(sys.argv[2]), sys.argv[3:])
    else:
        passive(sys.argv[2])
