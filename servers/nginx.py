"""nginx answering every GET with twelve bytes: one worker, and a log line a request where it is asked for."""

import shutil
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, unpack_debian
from servers.process import Server, start_process

NAME = "nginx"
VERSION = "debian"
BODY = "Hello World\n"
CONFIG = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    log_format ids '$http_x_request_id $status $body_bytes_sent';
    access_log {access_log};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type text/plain;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


def install() -> None:
    if _of_the_system() is None:
        install_once(NAME, VERSION, lambda folder: unpack_debian(folder, "nginx"))


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return _of_the_system() or (None if folder is None else folder / "usr" / "sbin" / "nginx")


def start(port: int, folder: Path, access_log: Path | None = None) -> Server:
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install nginx")
    folder.mkdir(parents=True, exist_ok=True)
    logged = "off" if access_log is None else f"{access_log} ids"
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, access_log=logged, body=BODY.replace("\n", r"\n")))
    command: list[str | Path] = [program, "-p", folder, "-c", config, "-e", folder / "error.log"]
    return start_process(NAME, command, port=port, folder=folder, ready_path="/")


def _of_the_system() -> Path | None:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)
