"""The only folder with SQL: tables, and one module of functions per noun.

A function takes a transaction, asks one question, and is named by its answer. Services open
the transactions; nothing here commits.
"""
