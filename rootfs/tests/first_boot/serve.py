"""A metadata service of version 2 for the tests of the first boot: serve.py FOLDER, on 169.254.169.254.

What is at /latest/PATH is the file FOLDER/PATH; a folder is listed by its file `index`. `FOLDER/off` turns the service
off. Says `ready` when it listens.
"""

import http.server
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
TOKEN = "AQAEAtoken=="


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        if (folder / "off").exists():
            self.answer(403)
        elif self.path != "/latest/api/token" or not ttl:
            self.answer(400)
        else:
            self.answer(200, TOKEN.encode())

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self.answer(401)
            return
        path = folder / self.path.removeprefix("/latest/")
        if path.is_dir():
            path = path / "index"
        if path.exists():
            self.answer(200, path.read_bytes())
        else:
            self.answer(404, b"<html>404 - Not Found</html>")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("169.254.169.254", 80), Service)
print("ready", flush=True)
server.serve_forever()
