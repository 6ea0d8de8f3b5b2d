"""TLS as the recipe wants it."""

import ssl

from loadgen.engine.contract import Address


def tls_context(address: Address) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.tls_ca_file)
    if not address.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
