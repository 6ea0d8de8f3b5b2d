"""The embedded LLM server, in OpenAI's and Ollama's dialects, for the quick start, for tests and for calibration."""

from loadgen.simulator.process import SimulatorProcess, start_simulator
from loadgen.simulator.server import serve
from loadgen.simulator.settings import FAULTS, SimulatorSettings

__all__ = ["FAULTS", "SimulatorProcess", "SimulatorSettings", "serve", "start_simulator"]
