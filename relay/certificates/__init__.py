"""The URL of a certificate in, its bytes out.

It is the only place where a sender has a say in what the gateway fetches.

`address` says which URLs may be fetched at all, `fetch` fetches them within bounds, `confirm` tells
SNS that a subscription is wanted.
"""
