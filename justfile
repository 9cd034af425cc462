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

# times beside a plain copy and what a user would do instead
bench *ARGS:
    cargo build --release -p amiforge
    cargo bench -p amiforge-tests --bench build -- {{ARGS}}

# uploads beside boto3 and the floor
bench-publish *ARGS:
    cargo build --release -p amiforge
    cargo bench -p amiforge-tests --bench publish -- {{ARGS}}
