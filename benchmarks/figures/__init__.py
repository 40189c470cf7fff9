"""What `make bench` measures, a module a subject: each has ``measure(quick)``, which returns its
figures as JSON takes them.
"""
