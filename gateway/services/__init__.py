"""One verb a module. A function takes a transaction, and is one step of the way of a job."""
