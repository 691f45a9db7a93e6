"""HTTP around GraphQL: headers, health, proxies, credentials, throttling, callbacks."""
