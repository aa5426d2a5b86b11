"""The local HTTP service: handlers translate, the engine answers."""
