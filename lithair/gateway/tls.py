"""TLS: the context that connections are accepted with."""

import ssl


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Make a context for HTTP/1.1 over TLS 1.2 or later; OSError or ssl.SSLError when it can't."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context
