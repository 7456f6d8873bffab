# make run     everything a newcomer needs, then the demo
# make test    everything the tests need, then every ring of them
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: run build console test format unit fuzz pages e2e bench soak flood prompts lint clean

WEB := pbx/console/web
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/*.mjs $(WEB)/*.json -type f 2>/dev/null)
BROWSER := testdata/browser
OURS := cmd dispatchapi internal ivr media pbx prompts testdata
# The version of the nearest tag; without one the binary names its commit.
VERSION := $(shell git describe --tags --dirty 2>/dev/null)
# Git refuses to read a repository that belongs to somebody else.
STAMP := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)

# Opus where its library is; all else is the same without: make build TAGS=
TAGS := $(shell pkg-config --exists opus 2>/dev/null && echo opus)

run: build
	./bin/cabline demo

build: console
	go build -buildvcs=$(STAMP) -tags '$(TAGS)' -ldflags '-X "main.version=$(VERSION)"' -o bin/ ./cmd/cabline

# The pages are made anew only when their sources are newer. Without Node the
# binary carries a page that says how to make them.
console:
	@testdata/install.sh build
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(WEB)/dist/index.html; \
	else echo 'no Node: the binary will have no pages'; fi

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	cd $(WEB) && npm run --silent build

# Every ring, the widest last: format, units with stories and wire under the race
# detector, a run of the fuzz targets (half a minute of each where CI is set), the
# pages' own tests, and the whole with real phones and a browser.
test:
	testdata/install.sh test
	$(MAKE) --no-print-directory console
	$(MAKE) --no-print-directory format
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory fuzz FUZZTIME=$(if $(CI),30s,3s)
	$(MAKE) --no-print-directory pages
	$(MAKE) --no-print-directory e2e

format:
	@files=$$(find $(OURS) -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l); \
	if [ -n "$$files" ]; then echo "not formatted; run gofmt -w on:"; echo "$$files"; exit 1; fi
	go vet ./...
	go vet -tags 'e2e $(TAGS)' ./... ./media/...

# What a packet costs is measured without the race detector, under which these
# tests skip: it empties pion's pools. They have Alloc in their names.
unit:
	go test -race -timeout 20m ./...
	go test -race -timeout 10m -tags opus ./media/... ./cmd/cabline/config
	go test -timeout 10m -tags opus -run Alloc ./media/...

FUZZTIME ?= 30s
fuzz:
	testdata/fuzz.sh $(FUZZTIME) $(TAGS)

pages: $(WEB)/dist/index.html
	cd $(WEB) && npm run --silent check && npm test --silent

# What a browser hears suffers when the machine is busy with other calls: its
# tests run by themselves.
E2E = CABLINE_BIN=$(CURDIR)/bin/cabline go test -tags 'e2e $(TAGS)' -count=1 -timeout 30m -v
e2e: build $(BROWSER)/node_modules/.package-lock.json
	$(E2E) ./media/webrtc
	$(E2E) -run TestBrowser -parallel 3 ./cmd/cabline/e2e
	$(E2E) -skip TestBrowser -parallel 12 ./cmd/cabline/e2e

bench: build
	testdata/install.sh bench
	go build -buildvcs=$(STAMP) -o bin/ ./cmd/cabload
	testdata/bench/run.sh bin/cabline bin/cabload
	go test -run '^$$' -bench Guesses -benchtime 20000x ./pbx/sip

# Calls of every kind for SOAK, RATE of them a second; fails unless the exchange
# gives back what it held. CURVE=docs/soak.svg draws it, also of a flood.
SOAK ?= 10m
RATE ?= 20
soak: build
	testdata/install.sh bench
	go build -buildvcs=$(STAMP) -o bin/ ./cmd/cabload
	testdata/bench/run.sh bin/cabline bin/cabload soak --for=$(SOAK) --rate=$(RATE) $(addprefix --curve=,$(CURVE))

# 50 live calls and operators' phones while strangers send 2,000 messages a second
# for FLOOD; fails if one of them notices.
FLOOD ?= 10m
flood: build
	testdata/install.sh bench
	go build -buildvcs=$(STAMP) -o bin/ ./cmd/cabload
	testdata/bench/run.sh bin/cabline bin/cabload flood --for=$(FLOOD) $(addprefix --curve=,$(CURVE))

# Speaks every prompt anew from prompts/texts.
prompts:
	testdata/install.sh prompts
	go run ./prompts/render

# What is built with tags is looked at with them, and what is built without too.
LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
lint:
	$(LINT)
	$(LINT) --build-tags 'e2e,$(TAGS)'

clean:
	rm -rf bin $(WEB)/node_modules $(WEB)/build $(BROWSER)/node_modules
	find $(WEB)/dist -mindepth 1 ! -name placeholder.html -delete
