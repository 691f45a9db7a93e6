"""FLOOR 1: HTTP to addresses that clients of the API configure: busy feeds and webhooks. Its rule:
no request reaches a network that the public internet can't reach, unless the settings list it.

`check_address` judges an address as it is written, when somebody configures it. `Outgoing` judges
again, for each connection, what the name resolves to, and connects to the very addresses that it
judged: a name that resolves differently a moment later (DNS rebinding) changes nothing. Redirects
are followed by the same rules, or not at all. Proxies of the environment are not used.

What the operator configures (the JWKS, the text gateway, the mail server) does not go through here.
"""
