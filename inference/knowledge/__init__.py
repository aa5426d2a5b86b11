"""The knowledge base at run time: search, pages, rule examples, overlays."""
