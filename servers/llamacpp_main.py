"""Runs llama.cpp's server until it is stopped. Run by its own venv's Python: llamacpp_main.py GGUF PORT NAME."""

import signal
import sys

import xllamacpp


def serve(weights: str, port: int, name: str) -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.model_alias = {name}
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.cpuparams.n_threads = 1  # its threads spin while they wait: with one a core, the client would starve it
    settings.n_parallel = 4
    settings.n_ctx = 4 * 2048
    settings.endpoint_metrics = True
    settings.endpoint_slots = True
    server = xllamacpp.Server(settings)  # serves for as long as the object lives
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
