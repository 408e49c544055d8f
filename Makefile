# The two commands that matter: `make demo` and `make test`. Each installs what is missing (scripts/setup).
# One Cargo profile and one target folder serve everything, so that RocksDB is compiled once.

# Where scripts/setup puts Rust when there is none.
export PATH := $(PATH):$(if $(CARGO_HOME),$(CARGO_HOME)/bin:)$(HOME)/.cargo/bin

CARGO := cargo
FLAGS := --release --workspace
CHECKED := --features straum/invariants,straum/live,straum-benches/live
KILLS ?= 100
FAULTS ?= 25

.PHONY: help demo test lint doc oracle crash-proof crash-proof-kafka soak memory-proof restart-proof micro kafka

help: ## Lists the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

demo: ## Runs datadeling on 751 messages, on the embedded log, and answers questions from its stores
	@scripts/setup
	@$(CARGO) build $(FLAGS) --bin straum
	@target/release/straum demo

test: ## All tests, those on a real Kafka broker included
	@scripts/setup live
	$(CARGO) test $(FLAGS) $(CHECKED) --no-fail-fast

lint: ## Formatting, Clippy and documentation, without warnings
	@scripts/setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(FLAGS) --all-targets $(CHECKED) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(FLAGS) --no-deps

doc: ## The documentation, in target/doc
	@scripts/setup
	$(CARGO) doc $(FLAGS) --no-deps

oracle: ## Runs Kafka Streams again and fails if it differs from the fixtures
	@scripts/setup live
	scripts/oracle

crash-proof: ## KILLS=100: kill -9 at chosen points of a running topology on the embedded log
	@scripts/setup
	$(CARGO) build $(FLAGS) $(CHECKED) --bin crash-proof
	target/release/crash-proof --kills $(KILLS)

crash-proof-kafka: ## KILLS=20: the same on a real Kafka broker
	@scripts/setup live
	$(CARGO) build $(FLAGS) $(CHECKED) --bin crash-proof
	scripts/crash-proof-kafka $(KILLS)

soak: ## FAULTS=25: three instances on a real Kafka broker, exactly once, while faults strike
	@scripts/setup live
	$(CARGO) build $(FLAGS) $(CHECKED) --bin soak
	scripts/soak --faults $(FAULTS)

restart-proof: ## What a kill -9 with 2 GiB of state and a rolling restart cost, beside Kafka Streams, on real brokers
	@scripts/setup live
	$(CARGO) build $(FLAGS) --bin restart-proof
	target/release/restart-proof

memory-proof: ## 30 million keys in 64 tasks within a memory budget
	@scripts/setup
	$(CARGO) build $(FLAGS) --bin memory-proof
	MALLOC_ARENA_MAX=2 target/release/memory-proof

micro: ## Micro-benchmarks
	@scripts/setup
	$(CARGO) bench --workspace --bench micro

kafka: ## KAFKA="--brokers 3 --secure": starts a Kafka broker to play with, or several, or secure ones (scripts/kafka --help)
	@scripts/kafka start $(KAFKA)
