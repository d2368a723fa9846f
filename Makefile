# Everything here works on a fresh clone with Go and a C compiler. DuckDB is linked in where there is a C++ library; without
# one, everything but SQL is built.

GO      ?= go
FUZZTIME ?= 60s

ifneq ($(shell echo 'int main(void){return 0;}' | $${CC:-cc} -x c - -o /dev/null -lstdc++ 2>/dev/null && echo yes),yes)
export CGO_ENABLED = 0
endif

.PHONY: all build run man test test-all race bench soak fuzz fuzz-long attack check clean

all: build

# What wasm-runner --version says. Without git, the commit is unknown.
VERSION ?= $(shell sed -n 's/^.*Version *= "\(.*\)"$$/\1/p' guest/okta/okta.go)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
STAMP    = -X main.stampVersion=$(VERSION) -X main.stampCommit=$(COMMIT) -X main.stampModified=$(shell test -z "$$(git status --porcelain 2>/dev/null)" || echo true)

## build: build/okta.wasm, and bin/wasm-runner, which embeds it
build:
	$(GO) run ./build -o build/okta.wasm
	cp build/okta.wasm build/okta.wasm.sha256 build/embedded/
	$(GO) build -trimpath -tags embed -ldflags '$(LDFLAGS) $(STAMP)' -o bin/wasm-runner ./cmd/wasm-runner

## run: build, then the main job against the simulated org, each step explained
run: build
	@sh cmd/wasm-runner/demo.sh bin/wasm-runner

## man: the manual pages in build/man
man: build
	bin/wasm-runner man build/man

## test: the tests of every package in some minutes; what takes longer is cut short or left out. Vet is in make check; -w links faster
test:
	$(GO) test -short -vet=off -ldflags=-w -timeout 20m ./...

## test-all: all tests, and all of each: attacks, mutations, the fault matrix, an old runner against the new one, Okta's own client
test-all:
	$(GO) test -tags long -timeout 45m ./...

## race: the concurrent packages under the race detector
race:
	$(GO) test -race -timeout 60m ./host/... ./guest/... ./cmd/...

## bench: ratios against a native loop and Okta's own client, measured in one run
bench: build
	$(GO) test -tags long ./guest/okta/bench -run '^$$' -bench . -benchtime 1x -timeout 30m
	$(GO) test ./host/internal/sandbox -run '^$$' -bench Instance -benchtime 1x -timeout 10m

## soak: ingest of SOAK_EVENTS events, killed again and again in a failing org; and the memory of one that is not
SOAK_EVENTS ?= 10000000
soak:
	SOAK_EVENTS=$(SOAK_EVENTS) $(GO) test ./cmd/wasm-runner -run 'TestSoak_|TestMemory_' -v -timeout 6h

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	@n=0; for pkg in $$($(GO) list ./...); do \
	  listed=$$($(GO) test -timeout 10m -list '^Fuzz' $$pkg) || { echo "$$listed"; exit 1; }; \
	  for target in $$(echo "$$listed" | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; n=$$((n+1)); \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -timeout 10m $$pkg || exit 1; \
	  done; \
	done; echo "$$n targets for $(FUZZTIME) each: nothing found"; test $$n -gt 0

## fuzz-long: random modules for PROGRAMS_TIME: against the model of a host, and on four engines, which must agree
PROGRAMS_TIME ?= 1h
fuzz-long:
	PROGRAMS_TIME=$(PROGRAMS_TIME) $(GO) test -count=1 -timeout 100h -v ./host/attack -run TestPrograms
	PROGRAMS_TIME=$(PROGRAMS_TIME) $(GO) test -count=1 -timeout 100h -v ./abi/conformance/internal/programs -run TestEngines

## attack: every attack of the kit on our host, then each check of a wall taken out in turn (-host PROGRAM attacks another host: abi/README.md)
attack:
	@cd host/attack && $(GO) test -count=1 -timeout 20m -run 'TestAttack|TestMutations|TestProcess'

## check: formatting, vet, staticcheck, govulncheck where it is installed, the licences of what is linked, and the host's tests under the race detector
check:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) vet -tags long ./...
	$(GO) vet -tags portable ./host/internal/sandbox
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./guest ./guest/hostcall ./guest/module ./guest/template
	$(GO) tool staticcheck -tags long ./...
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/wasm-runner
	for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os $(GO) vet ./host ./host/checkpoint ./host/durable/... ./host/internal/confine ./host/sql/... ./host/journal ./host/sink/... ./cmd/... || exit 1; done
	@if command -v govulncheck >/dev/null; then govulncheck ./...; else echo "not looked up: known vulnerabilities (govulncheck is not installed, see SECURITY.md)"; fi
	$(GO) test -timeout 10m ./internal/licences ./internal/layout
	$(GO) test -race -timeout 40m $$($(GO) list ./host/... ./guest/... | grep -v -e /host/attack -e /okta/bench)

clean:
	rm -rf bin build/man build/okta.wasm build/okta.wasm.sha256 build/embedded/okta.wasm build/embedded/okta.wasm.sha256
