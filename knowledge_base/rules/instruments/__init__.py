"""One file an instrument; `registry.instruments()` finds them."""
