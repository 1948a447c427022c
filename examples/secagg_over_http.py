"""Secure aggregation over plain HTTP: each client posts its answer and is handed what is next."""

import os
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from qring.security.secagg.messages.client import Client
from qring.security.secagg.messages.identity import Identity
from qring.security.secagg.messages.offer import Offer
from qring.security.secagg.messages.server import Server

people = {k: Identity.fresh() for k in range(5)}
directory = {member: who.public for member, who in people.items()}
offer = Offer.among(tuple(people), nonce=os.urandom(16), round=1, words=3, sum_bits=20, signed=True)
server, stage, waiting, outbox = Server(offer, directory), threading.Condition(), set(), {}


class Desk(BaseHTTPRequestHandler):
    """The server's counter: an answer comes in, the next message goes out."""

    def do_POST(self) -> None:
        """Take an answer; reply with the next message, or with nothing."""
        answer = self.rfile.read(int(self.headers["Content-Length"]))
        with stage:
            if answer:
                waiting.add(worker := server.receive(answer))
                everybody = len(waiting) == len(outbox or people)
                if everybody or (not stage.wait(timeout=2) and worker in waiting):
                    outbox.clear()  # who has not answered by now is lost
                    outbox.update(server.close())
                    waiting.clear()
                    stage.notify_all()
            message = outbox.get(int(self.path[1:]), b"") if answer else offer.packed
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + message)


desk = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
where = f"http://127.0.0.1:{desk.server_port}"
threading.Thread(target=desk.serve_forever, daemon=True).start()


def take_part(member: int, answer: bytes = b"") -> None:
    """Play one client."""
    client = Client(member, identity=people[member], directory=directory)
    for turn in range(6):
        message = urllib.request.urlopen(f"{where}/{member}", answer, 20).read()  # noqa: S310
        if not message or (member == 4 and turn == 2):  # client 4 dies before it masks
            return
        if turn == 2:
            client.contribute(np.array([member, 10, 100], np.uint32))
        answer = client.receive(message)


list(ThreadPoolExecutor(len(people)).map(take_part, people))
print("sum", server.total.tolist(), "of", server.contributors)
assert server.total.tolist() == [6, 40, 400]
