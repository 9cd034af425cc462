# Shortcuts; every one is a plain command that can be typed.

# what CI runs
ci:
    .ci/run

build:
    cargo build --release

# what runs before every merge
test:
    cargo nextest run --workspace --cargo-profile ci

# the end-to-end suites that need no program of others: seconds
fast:
    cargo nextest run --cargo-profile ci -p amiforge -p amiforge-tests -E 'binary(fast)'

# everything: larger inputs, longer loops, fuzz targets, benchmarks
all:
    RUN=all .ci/run

# known vulnerabilities of dependencies; fetches their database
advisories:
    cargo deny check advisories

lint:
    cargo fmt --all --check
    .ci/type-names
    .ci/circles
    cargo clippy --workspace --all-targets -- -D warnings

# the large inputs of the end-to-end suites
inputs:
    tests/inputs/make.sh --all
    tests/inputs/packages.sh
    tests/inputs/selinux.sh

# times beside a plain copy and what a user would do instead
bench *ARGS:
    cargo build --release -p amiforge
    cargo bench -p amiforge-tests --bench build -- {{ARGS}}

# uploads beside boto3 and the floor
bench-publish *ARGS:
    cargo build --release -p amiforge
    cargo bench -p amiforge-tests --bench publish -- {{ARGS}}
