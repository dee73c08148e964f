"""The profiler as one file on another device, without the rest of autoprune."""
