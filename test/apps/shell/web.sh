# Answers every request with the same words: a server is whatever listens on $PORT.
exec python3 -c '
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello from a shell\n")
    client.close()
'
