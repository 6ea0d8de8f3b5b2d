"""Runs llama.cpp's server until it is stopped. Run by its own venv's Python: llamacpp_main.py GGUF PORT NAME
THREADS."""

import signal
import sys

import xllamacpp


def serve(weights: str, port: str, name: str, n_threads: str) -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.model_alias = {name}
    settings.hostnames = ["127.0.0.1"]
    settings.port = int(port)
    settings.cpuparams.n_threads = int(n_threads)
    settings.n_parallel = 4
    settings.n_ctx = 4 * 2048
    settings.endpoint_metrics = True
    settings.endpoint_slots = True
    server = xllamacpp.Server(settings)  # serves for as long as the object lives
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    serve(*sys.argv[1:])
