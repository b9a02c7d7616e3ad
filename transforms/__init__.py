"""Turns the results of IMS `QueryVideoCognitionJob` into a warehouse people trust.

The stages, in the order the data goes through them, are the modules:
`ledger -> source -> raw -> validate -> flatten -> lake -> warehouse`; `pipeline` joins them.
"""
