"""The knowledge base: content written by clinicians, compiled and checked into one immutable object."""
