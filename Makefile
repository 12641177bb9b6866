# Every human entry point. Lists of strategies are computed from the folders in strategies/.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV  := .venv
RUN   := $(VENV)/bin
LOCK   = $(RUN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade

# The first Python that is 3.11 or 3.12; say PYTHON=... for another.
FITS   = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python; do \
            $$p -c '$(FITS)' 2>/dev/null && { command -v $$p; break; }; done)

# Test files beside each other: most of their time they wait for servers to start and stop.
BESIDE = -n 3 --dist loadfile

# MODEL, VERSION, PORT, HOST, WORKERS for serve-%; MODEL, STRATEGIES, BOOTS, ROUNDS for bench.
OPTIONS = $(if $(MODEL),--model '$(MODEL)') $(if $(VERSION),--version '$(VERSION)')
COURSE  = $(RUN)/python -m notebooks.course
NUMBER  = $(or $(N),$(error expected a lesson, such as N=04; they are listed in notebooks/README.md))
ADDRESS = $(if $(PORT),--port $(PORT)) $(if $(HOST),--host $(HOST)) $(if $(WORKERS),--workers $(WORKERS))

.PHONY: help bench bench-engine selftest soak hop test lint doctor models docs plots conflicts lock new-strategy \
        lab lesson check hint solution lessons check-all book pipeline pipeline-run pipeline-run-v1 pipeline-upload test-images test-cluster k8s-up k8s-seldon k8s-down clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile | grep -v %
	@for folder in strategies/*/; do \
	  name=$$(basename "$$folder"); title=$$(sed -n 's/^title = "\(.*\)"/\1/p' "$${folder}strategy.toml"); \
	  printf '  make %-22s %s\n' "serve-$$name" "serve: $$title (MODEL, VERSION, PORT, HOST, WORKERS)" \
	    "test-$$name" "check $$title by real requests (MODEL, VERSION, WORKERS)"; \
	  test ! -f "$${folder}Dockerfile" || printf '  make %-22s %s\n' "image-$$name" "build the container image of $$title"; \
	  test ! -f "$${folder}requirements.in" || printf '  make %-22s %s\n' "lock-$$name" "lock the packages of $$title anew"; \
	  test ! -f "$${folder}ui.py" || printf '  make %-22s %s\n' "$$name-ui" "browse what $$title keeps (PORT)"; done

bench: $(VENV)/.bench  ## compare web frameworks on MNIST, a screening (MODEL=iris, STRATEGIES="flask mlflow"); BOOTS=8 decides
	@$(RUN)/bench run $(STRATEGIES) $(OPTIONS) $(if $(BOOTS)$(ROUNDS),$(if $(BOOTS),--boots $(BOOTS)) $(if $(ROUNDS),--rounds $(ROUNDS)),--quick)

bench-engine: $(VENV)/.bench  ## the load engine's own speed, beside wrk and Locust where they are installed
	@$(RUN)/python -m bench.load.speed

selftest: $(VENV)/.bench  ## does the bench find what it must, and nothing else? six minutes of live controls
	@$(RUN)/bench selftest

soak: $(VENV)/.bench  ## half an hour of an A/B test under load, with applies and killed components (MINUTES)
	@$(RUN)/python -m bench.soak --minutes $(or $(MINUTES),30)

hop: $(VENV)/.bench  ## what a step of a graph costs, beside its component and beside FastAPI with HTTPX
	@$(RUN)/python -m bench.hop

test: $(VENV)/.test $(VENV)/.course  ## run every test
	@$(RUN)/pytest $(BESIDE)

lint: $(VENV)/.test $(VENV)/.course  ## ruff, mypy --strict for the toolkit and per strategy, hadolint
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/mypy --strict k8s/minikube/run.py
	@for file in notebooks/[0-9]*/check.py; do $(RUN)/mypy --strict "$$file" || exit 1; done
	$(RUN)/hadolint strategies/*/Dockerfile pipelines/Dockerfile
	@for folder in strategies/*/ pipelines/v1/ pipelines/v2/; do \
	  case $$folder in strategies/*) name=$$(basename "$$folder");; *) name=$${folder%/};; esac; \
	  set -- "$$folder"*.py; test -f "$$1" || continue; \
	  $(RUN)/mypy --python-executable "$$($(RUN)/servelab env $$name)" "$$folder" || exit 1; done

doctor: $(VENV)/.bench  ## what this machine has, and what is missing for what
	@$(RUN)/servelab doctor

models: $(VENV)/.bench  ## retrain the shared models (SERVELAB_MNIST_DIR names a folder with the MNIST files)
	@$(RUN)/servelab train

lab: $(VENV)/.course  ## the lessons in JupyterLab (N=04 opens that lesson, PORT)
	@$(COURSE) lab $(N) $(if $(PORT),--port $(PORT))

lesson: $(VENV)/.course  ## begin a lesson's exercise: its files go to notebooks/work/ (N=04; AGAIN=1 starts anew)
	@$(COURSE) lesson $(NUMBER) $(if $(AGAIN),--again)

check: $(VENV)/.course  ## is the exercise solved? every failure with what to look at, within a minute (N=04)
	@$(COURSE) check $(NUMBER)

hint: $(VENV)/.course  ## the next hint (N=04)
	@$(COURSE) hint $(NUMBER)

solution: $(VENV)/.course  ## the solution, beside what you wrote (N=04)
	@$(COURSE) solution $(NUMBER)

lessons: $(VENV)/.course  ## run every lesson from top to bottom (N=04 that one, WRITE=1 notes the time)
	@$(COURSE) run $(N) $(if $(WRITE),--write)

check-all: $(VENV)/.course  ## every exercise: its starter fails, its solution passes (N=04 that one)
	@$(COURSE) check-all $(N)

book: $(VENV)/.course  ## build the book, with every lesson's outputs: .servelab/book/html/index.html
	@$(RUN)/python -m docs.book

docs: $(VENV)/.course  ## derive what is derived: tables and pages of docs/, the lessons' notebooks
	@$(COURSE) derive
	@$(RUN)/bench report --write >/dev/null
	@$(RUN)/servelab list --markdown --write >/dev/null
	@$(RUN)/servelab choose --write

plots: $(VENV)/.course  ## measure and draw the plots of docs/measuring.md (five minutes, on a quiet machine)
	@$(RUN)/python docs/plots/measure.py
	@$(RUN)/python docs/plots/draw.py

conflicts: $(VENV)/.bench  ## ask uv which serving libraries can share an environment, for docs/environments.md (minutes)
	@$(RUN)/servelab conflicts --markdown --write >/dev/null

lock: $(VENV)/.bench  ## lock the toolkit's and the training environment's packages anew
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --group test --output-file requirements-test.txt
	$(LOCK) pyproject.toml --constraint requirements-test.txt --group course --output-file requirements-course.txt
	cd shared_models && ../$(LOCK) requirements.in --output-file requirements.txt
	for folder in pipelines/v1 pipelines/v2; do \
	  (cd $$folder && ../../$(LOCK) requirements.in --output-file requirements.txt) || exit 1; done

new-strategy: $(VENV)/.bench  ## a new strategy folder that conforms, to change from there (NAME=x, LIKE=flask)
	@test -n "$(NAME)" || { echo "expected a name; type: make new-strategy NAME=x" >&2; exit 2; }
	@$(RUN)/servelab new-strategy '$(NAME)' $(if $(LIKE),--like '$(LIKE)')

test-images: $(VENV)/.test  ## build every image and check it by real requests (needs a container engine)
	@$(RUN)/pytest -m image

test-cluster: $(VENV)/.test  ## manifests and servers on a real Kubernetes (SERVELAB_CLUSTER_TOOL names what starts one)
	@test -n "$$SERVELAB_CLUSTER_TOOL" || { echo "expected SERVELAB_CLUSTER_TOOL, a program that starts a Kubernetes: see tests/cluster.py" >&2; exit 2; }
	@$(RUN)/pytest -m cluster

pipeline: $(VENV)/.bench  ## compile both pipelines
	@python="$$($(RUN)/servelab env pipelines/v1)" && "$$python" pipelines/v1/pipeline.py && "$$python" pipelines/v1/seed.py
	@python="$$($(RUN)/servelab env pipelines/v2)" && "$$python" pipelines/v2/pipeline.py

pipeline-run: $(VENV)/.bench  ## run the pipeline of KFP 2 here: train, judge, deploy, ask (MODEL=iris, VERSION, SABOTAGE=1, RUNNER=URL, DOCKER=1)
	@PATH="$(CURDIR)/$(RUN):$$PATH" "$$($(RUN)/servelab env pipelines/v2)" pipelines/v2/run.py $(OPTIONS) \
	  $(if $(SABOTAGE),--label-noise 1) $(if $(RUNNER),--runner '$(RUNNER)') $(if $(DOCKER),--docker)

pipeline-run-v1: $(VENV)/.bench  ## run the Argo workflow of KFP 1.8 on this machine (MODEL, VERSION, SABOTAGE=1, ANSWERS, RUNNER)
	@$(RUN)/python pipelines/v1/run.py $(if $(MODEL),--model '$(MODEL)') $(if $(RUNNER),--runner '$(RUNNER)') \
	  $(if $(VERSION),-p 'version=$(VERSION)') $(if $(SABOTAGE),-p label_noise=1) $(if $(ANSWERS),-p 'answers=$(abspath $(ANSWERS))')

pipeline-upload: $(VENV)/.bench  ## upload the pipeline that a KFP server takes (KFP_HOST, NAME; KFP_TOKEN)
	@$(RUN)/python -m pipelines.upload '$(KFP_HOST)' $(if $(NAME),--name '$(NAME)')

k8s-up: $(VENV)/.bench  ## Kubernetes with Seldon Core on this machine, by minikube (DRY=1 prints the commands)
	@DRY='$(DRY)' $(RUN)/python k8s/minikube/run.py up

k8s-seldon: $(VENV)/.bench  ## the graphs of k8s/seldon in that cluster, with their images (DRY=1)
	@DRY='$(DRY)' $(RUN)/python k8s/minikube/run.py seldon

k8s-down: $(VENV)/.bench  ## that cluster and all that is in it, gone (DRY=1)
	@DRY='$(DRY)' $(RUN)/python k8s/minikube/run.py down

clean:  ## remove environments, logs and caches; results/ stays
	rm -rf $(VENV) .servelab .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

serve-%: $(VENV)/.bench
	@$(RUN)/servelab serve $* $(OPTIONS) $(ADDRESS)

test-%: $(VENV)/.bench
	@$(RUN)/servelab conformance $* $(OPTIONS) $(if $(WORKERS),--workers $(WORKERS))

image-%: $(VENV)/.bench
	@test -f strategies/$*/Dockerfile || { echo "strategies/$* has no image of its own: expected strategies/$*/Dockerfile" >&2; exit 2; }
	@$(RUN)/servelab image $*

%-ui: $(VENV)/.bench
	@test -f strategies/$*/ui.py || { echo "strategies/$* has no page of its own to browse (ui.py)" >&2; exit 2; }
	@python="$$($(RUN)/servelab env $*)" && cd strategies/$* && exec "$$python" ui.py

lock-%: $(VENV)/.bench
	@test -f strategies/$*/requirements.in || { echo "nothing to lock: expected strategies/$*/requirements.in" >&2; exit 2; }
	cd strategies/$* && ../../$(LOCK) requirements.in --output-file requirements.txt

# The toolkit's own environment: made by Python's venv and pip's uv, or by a uv that is already there.
$(VENV)/bin/uv: requirements.txt
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or 3.12 on PATH; found neither. Install one, or say PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c '$(FITS)' || { echo "expected Python 3.11 or 3.12; $(PYTHON) is another. Say PYTHON=python3.12" >&2; exit 2; }
	@echo "servelab: making the toolkit's environment, $(VENV)" >&2
	@if command -v uv >/dev/null; then uv venv --quiet --clear --python "$(PYTHON)" $(VENV); \
	  else $(PYTHON) -m venv --clear $(VENV); fi
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > $(VENV)/uv.txt
	@if command -v uv >/dev/null; then VIRTUAL_ENV=$(VENV) uv pip install --quiet --require-hashes -r $(VENV)/uv.txt; \
	  else $(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt; fi
	@touch $@

$(VENV)/.bench: $(VENV)/bin/uv pyproject.toml
	@VIRTUAL_ENV=$(VENV) $(RUN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)/uv pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.bench requirements-test.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements-test.txt
	@touch $@

$(VENV)/.course: $(VENV)/.bench requirements-course.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements-course.txt
	@touch $@
