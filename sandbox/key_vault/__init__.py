"""Azure Key Vault: secrets, certificates with real X.509, and issuers that take their time.

``service.py`` puts it together; ``base.py`` is sign-in and errors, ``vaults.py`` what a vault keeps, ``secrets.py``
and ``certificates.py`` the wire, ``issuance.py`` how a certificate gets its versions. ``provider.py`` is the part of it
that Resource Manager shows.
"""
