"""A tiny ISP of real servers in network namespaces; its logs are the sample.

``capture.capture(out_dir)`` builds it, lets the cast send mail for a minute and a half,
and leaves flows, a mail log, accounting records, the subscriber list and the truth behind.
"""
