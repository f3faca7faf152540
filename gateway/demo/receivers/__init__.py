"""Local stand-ins for the providers: each a process of its own that speaks the real protocol and writes down what came.

They listen on 127.0.0.1 only and are for demonstrations and tests.
"""
