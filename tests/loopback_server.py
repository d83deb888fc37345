"""An HTTP server on loopback for tests: it runs in a thread and remembers what was wrong with requests."""

import http.server
import json
import threading


class LoopbackServer(http.server.ThreadingHTTPServer):
    """Serves from its making until ``stop``."""

    def __init__(self, handler: type["JsonHandler"]):
        super().__init__(("127.0.0.1", 0), handler)
        self.complaints: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class JsonHandler(http.server.BaseHTTPRequestHandler):
    """Answers in JSON and keeps quiet."""

    def log_message(self, *_):
        pass

    def answer(self, content: dict, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
