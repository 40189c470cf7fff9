"""The control endpoint: JSON over HTTP, for programs in any language and for the console.

`endpoint` has its life, `guard` its security, `app` puts the rest together: `reading`, ... are the
routes by subject, `values` and `shapes` what they take and give, `fake` what they ask of the fake.
"""
