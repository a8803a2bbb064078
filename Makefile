# The two that matter: `make run` and `make test`. The rest are their parts.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO      ?= go
LINT    := $(GO) tool -modfile=tools/go.mod golangci-lint
FUZZ    ?= 10s
SOAK    ?= 2m
BENCH   ?= .
# Opus is in a build where its library is (libopus-dev); TAGS= leaves it out.
TAGS    ?= $(shell pkg-config --exists opus 2>/dev/null && echo opus)
# Runs tests, prints what fails, and at the end what was skipped and why.
TEST    := $(GO) tool -modfile=tools/go.mod gotestsum --format pkgname --format-hide-empty-pkg --
UNIT    := $(GO) list ./... | grep -v '^parley/test/'
RACE    := -race -timeout 15m

.PHONY: build run test setup vet unit lint peers fuzz soak bench compare clean

build:
	$(GO) build -tags '$(TAGS)' -trimpath -o bin/parley ./cmd/parley

run: build
	./bin/parley serve --demo

# Everything, in the order in which a fault is found soonest. The last part runs the real
# program against real phones and apps.
test: setup vet unit lint peers

# What the tests need from Debian and npm; says what is missing where it can't install it.
setup:
	./test/setup.sh

vet:
	$(GO) vet -tags '$(TAGS)' ./...

unit:
	$(TEST) -tags '$(TAGS)' $(RACE) $$($(UNIT))
	$(TEST) ./media/codec ./media/play ./media/transcode

lint:
	$(LINT) run --build-tags '$(TAGS)' ./...

# House rules and licences, dialogue scripts, and interop: what passed between which phones and apps is
# printed as a table.
peers:
	$(GO) test $(RACE) -timeout 30m -parallel 2 -v ./test/interop/... | grep -vE '^ *(===|--- PASS)'
	$(TEST) $(RACE) $$($(GO) list ./test/... | grep -v interop)

# Every fuzz target for FUZZ (default 10s) each.
fuzz:
	./test/fuzz.sh $(FUZZ)

# What takes long: the leak tests with large numbers (about ten minutes; -p 1, since they measure
# the machine), then fuzzing for SOAK a target. What fuzzing finds stays in testdata/fuzz.
soak:
	PARLEY_SOAK=1 $(GO) test -race -p 1 -timeout 30m -run 'Leak|Soak' ./...
	./test/fuzz.sh $(SOAK)

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# parley beside Kamailio, Prosody, ejabberd, rtpengine and coturn: test/bench/README.md.
compare:
	./test/bench/run-baselines.sh

clean:
	rm -rf bin
