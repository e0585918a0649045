"""A web server for the lab: a small webmail page and a large news page, over TLS.

Run as a script inside a namespace: ``webserver.py CERTIFICATE KEY ADDRESS``.
"""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NEWS = b"<p>" + b"It rained in the mountains today. " * 20_000


class Pages(BaseHTTPRequestHandler):
    """Answers with the news where they are asked for, and else with a mailbox."""

    def do_GET(self) -> None:
        """Sends the page."""
        body = b"<title>Inbox</title>" + b"<p>message</p>" * 200
        if self.path == "/news":
            body = NEWS
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Takes a message written in the browser."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()


def main() -> None:
    """Serves for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = ThreadingHTTPServer((sys.argv[3], 443), Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sys.stderr.write("ready\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
