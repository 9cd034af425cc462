# Shortcuts; every one is a plain command that can be typed.

# what CI runs
ci:
    .ci/run

build:
    cargo build --release

test:
    cargo test --workspace

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# the large inputs of the end-to-end suites
inputs:
    tests/inputs/make.sh
