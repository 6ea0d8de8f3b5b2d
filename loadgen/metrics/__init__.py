"""From records to figures: pure numpy, constant memory, no clock and no file."""
