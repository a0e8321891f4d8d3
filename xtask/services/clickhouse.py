"""ClickHouse's HTTP interface before the engine in this process (chdb), as far as its Rust client asks for it.

usage: clickhouse.py PORT FOLDER

One query at a time. Settings in the address are passed over: they tune, and change no result.
"""

import re
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
ENGINE, ONE_AT_A_TIME = Session(FOLDER), threading.Lock()
INSERT = re.compile(r"^\s*(INSERT\s+INTO\s.*?)\s+(FORMAT\s+\w+)\s*;?\s*$", re.IGNORECASE | re.DOTALL)


def run(sql: str, body: bytes, asked: dict) -> bytes:
    """What the engine answers, in the format that the query names."""
    parameters = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
    insert = INSERT.match(sql)
    with ONE_AT_A_TIME, tempfile.NamedTemporaryFile() as file:
        if "database" in asked:
            ENGINE.query("USE `" + asked["database"].replace("`", "``") + "`")
        if insert and body:
            file.write(body)
            file.flush()
            sql = f"{insert[1]} FROM INFILE '{file.name}' {insert[2]}"
        elif body:
            sql = f"{sql}\n{body.decode()}"
        return ENGINE.query(sql, asked.get("default_format", "TabSeparated"), params=parameters).bytes() or b""


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        address, body = urlsplit(self.path), self.body()
        asked = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        if address.path == "/ping":
            return self.answer(200, b"Ok.\n")
        try:
            self.answer(200, run(asked.get("query", ""), body, asked))
        except Exception as error:  # whatever the engine refuses is the asker's to read
            text = str(error)
            code = re.search(r"Code: (\d+)", text)
            self.answer(500, text.encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1"})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status: int, body: bytes, headers: dict = {}):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """A line a query is nothing anybody reads."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer.daemon_threads = True
try:
    ThreadingHTTPServer(("127.0.0.1", PORT), Front).serve_forever()
finally:
    ENGINE.close()
