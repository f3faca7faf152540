"""The demonstration: real purchases, made-up people, and local stand-ins for the providers."""
