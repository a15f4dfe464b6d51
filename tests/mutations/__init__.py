"""Ways to break the engine on purpose, each with the test that must notice.

A mutation is a patch of ``gateway/`` in ``patches/``. Above the patch stand one sentence that says what is broken, and
three lines: ``Breaks:`` a promise of README.md or a claim of docs/security.md, in its words; ``Step:`` a step of
`gateway.engine.order`; ``Test:`` what must fail. Write one with ``git diff``, with a few lines of context.
"""
