"""What crosses a boundary: records in, answers out, problems. Imports nothing else of the project."""
