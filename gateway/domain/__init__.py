"""The rules: values in, values out. No clock, no I/O, no SQL, no logging."""
