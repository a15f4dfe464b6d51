"""Azure Key Vault: secrets, certificates with real X.509, and issuers that take their time.

``service.py`` puts it together; ``base.py`` is sign-in and errors, ``vaults.py`` what a vault keeps, ``secrets.py`` the
wire of secrets; certificates have a folder, on ``material.py`` and ``x509.py``. ``provider.py`` is the part of it that
Resource Manager shows.
"""
